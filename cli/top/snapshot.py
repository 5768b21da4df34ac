"""What ``agents top`` shows, read in one go, and what changed since it was read before."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentsd.cli.checks.finding import Seen
from agentsd.cli.checks.processes import list_processes
from agentsd.cli.worker.health import seen_workers
from agentsd.model import TERMINAL_STATUSES, AsyncJob, Worker
from agentsd.store import jobs
from agentsd.store.listing import JobFilter, walk_jobs

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

ACTIVE, ENDED = 200, 30
"""Jobs that are shown at most: of those that run, as many of those that wait, and of those that have ended."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look. ``cpu`` is the share of one processor that each pid has used since the look before, in per cent."""

    jobs: Sequence[AsyncJob] = ()
    workers: Sequence[tuple[Worker, str]] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    processes: Sequence[Seen] = ()
    cpu: Mapping[int, float] = field(default_factory=dict[int, float])
    at: float = 0.0

    def tree(self, job_id: str | None) -> list[Seen]:
        """The processes of one job, parents before children."""
        return [each for each in self.processes if job_id is not None and each.job_id == job_id]

    def usage(self, job_id: str) -> tuple[int, float, int]:
        """How many processes a job has, the share of a processor that they use, and their memory in bytes."""
        tree = self.tree(job_id)
        return len(tree), *self._sum(tree)

    def own_usage(self, worker_id: str) -> tuple[float, int]:
        """What a worker and its spawner use themselves, without their jobs; zeros if they cannot be seen from here."""
        return self._sum(
            [each for each in self.processes if each.worker_id == worker_id and each.job_id is None]
        )

    def _sum(self, some: Sequence[Seen]) -> tuple[float, int]:
        return sum(self.cpu.get(each.pid, 0.0) for each in some), sum(each.rss_bytes for each in some)


def look(client: Client, before: Snapshot) -> Snapshot:
    """Read everything anew."""
    # Each state has a question of its own: the newest of a full queue would leave no room for what runs.
    asked: tuple[tuple[tuple[str, ...], int], ...] = (
        (("running",), ACTIVE), (("queued",), ACTIVE), (tuple(TERMINAL_STATUSES), ENDED)
    )  # fmt: skip
    found = [
        job
        for statuses, most in asked
        for job in walk_jobs(client.db, JobFilter(statuses=statuses), limit=most)
    ]
    workers = seen_workers(client)
    running = [job for job in found if job.status == "running"]
    processes = list_processes([row for row, _ in workers], running)
    now = time.monotonic()
    return Snapshot(
        jobs=found,
        workers=workers,
        counts=jobs.counts(client.db),
        processes=processes,
        cpu=_shares(before, processes, now),
        at=now,
    )


def _shares(before: Snapshot, processes: Sequence[Seen], now: float) -> dict[int, float]:
    """Per cent of a processor, by pid. A process that was not there before has used it since its beginning."""
    used = {each.pid: each.cpu_s for each in before.processes}
    passed = max(now - before.at, 0.001)
    return {
        each.pid: 100 * max(0.0, each.cpu_s - used.get(each.pid, 0.0)) / (min(passed, each.age_s) or passed)
        for each in processes
        if before.at
    }
