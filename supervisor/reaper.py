"""Who is dead: judging other supervisors by identity where that is possible, by their beat elsewhere.

Never by comparing wall clocks: after a jump of an hour that reaped three of three healthy supervisors. What
counts is that the ``beat`` counter has not moved for a TTL of *this* process's own awake time, and after
a gap in its own loop (suspend, SIGSTOP) this process forgets what it has observed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentsd.faults import reach
from agentsd.model import AsyncJob, AsyncJobStatus, Reason, Worker
from agentsd.store import claims, workers
from agentsd.store.transaction import Transaction
from agentsd.supervisor.remnants import is_provably_dead, is_reachable, remove_socket
from agentsd.supervisor.verdict import successor


@dataclass(frozen=True, slots=True)
class Dead:
    """A supervisor that is taken for dead: provably gone, or silent for too long."""

    worker: Worker
    gone: bool
    since: float = 0.0
    """When its beat was first seen to stand still; ``time.monotonic()``."""

    @property
    def reason(self) -> Reason:
        """What its jobs end with."""
        return Reason.WORKER_LOST if self.gone else Reason.STUCK

    @property
    def sentence(self) -> str:
        """Why, for a person."""
        who = f"worker {self.worker.worker_id} (pid {self.worker.pid} on {self.worker.host})"
        if self.gone:
            return f"The {who} that ran it is gone."
        return f"The {who} that ran it has been silent for longer than {self.worker.ttl:g} s."


class Reaper:
    """Remembers when each other supervisor's beat last moved, in this process's monotonic time."""

    def __init__(self, own_id: str, ttl: float) -> None:
        self._own_id = own_id
        self.ttl = ttl
        self._seen: dict[str, tuple[int, float]] = {}

    def forget(self, *, all_but: str = "") -> None:
        """This process was not awake, or could not write either: what it has observed proves nothing.

        *all_but* is the supervisor that is known to be why; empty if there is none.
        """
        self._seen = {worker_id: seen for worker_id, seen in self._seen.items() if worker_id == all_but}

    def observe(
        self,
        others: Iterable[Worker],
        now: float | None = None,
        *,
        wrote: float | None = None,
        in_the_way: str = "",
    ) -> list[Dead]:
        """Look at the live rows of all supervisors; returns those that are dead.

        *wrote* is when this process itself wrote last, *now* unless said. What came later is nobody's silence:
        perhaps nobody can write. Stopped for half of a TTL and continued just when the disk is full, a healthy
        supervisor would be dead soon after. The one who is *in_the_way* of all writing has no such excuse.
        """
        moment = time.monotonic() if now is None else now
        rows = [worker for worker in others if worker.worker_id != self._own_id]
        self._seen = {row.worker_id: self._observation(row, moment) for row in rows}
        until = moment if wrote is None else wrote
        judged = [self._judge(row, moment if row.worker_id == in_the_way else until) for row in rows]
        return [dead for dead in judged if dead]

    def _observation(self, row: Worker, now: float) -> tuple[int, float]:
        beat, since = self._seen.get(row.worker_id, (row.beat, now))
        return (row.beat, now) if row.beat != beat else (beat, since)

    def _judge(self, row: Worker, until: float) -> Dead | None:
        if is_provably_dead(row):
            return Dead(row, gone=True)
        patience = max(self.ttl, row.ttl)
        # Its processes cannot be ended from here: give it the time to notice by itself and do it.
        if not is_reachable(row):
            patience *= 2
        since = self._seen[row.worker_id][1]
        return Dead(row, gone=False, since=since) if until - since >= patience else None

    def stands_by(self, dead: Dead) -> bool:
        """Whether the observation that *dead* rests on still holds: what was forgotten since then buries nobody."""
        return self._seen.get(dead.worker.worker_id) == (dead.worker.beat, dead.since)


def bury(
    tx: Transaction, dead: Dead, left: Sequence[AsyncJob], *, max_attempts: int
) -> list[AsyncJob] | None:
    """End the row of a dead supervisor and its jobs; returns the jobs that were ended.

    Fenced like every other finish: a job that its owner has ended meanwhile is left alone. What was asked
    to be cancelled ends as cancelled: nobody wants it tried again. Returns None, and writes nothing, if the
    supervisor was not dead after all.
    """
    if _has_woken_up(tx, dead, left):
        return None
    workers.end(tx, dead.worker.worker_id, state="lost", reason=dead.reason)
    owned = claims.own_jobs(tx, dead.worker.worker_id)
    buried = [job for job in left if job.job_id in owned]
    for job in buried:
        claims.finish(tx, _ending(dead, job, owned[job.job_id], max_attempts), dead.worker.worker_id)
    remove_socket(dead.worker)
    reach("reap.commit")
    return buried


def _has_woken_up(tx: Transaction, dead: Dead, left: Sequence[AsyncJob]) -> bool:
    """Whether a supervisor that was silent for a TTL has beaten, or forked, since it was judged.

    Stopped, it is judged, its spawner and jobs are killed; it goes on, starts another spawner and lets a job
    begin; only now its burial comes to be written: that job would be called ended while it runs.
    """
    if not dead.gone and workers.beats(tx, dead.worker.worker_id) != dead.worker.beat:
        return True
    processes = claims.own_processes(tx, dead.worker.worker_id)
    return any(
        processes.get(job.job_id, known) != known for job in left for known in [(job.pid, job.pid_start)]
    )


def _ending(
    dead: Dead, job: AsyncJob, cancel: claims.CancelRequest | None, max_attempts: int
) -> claims.Ending:
    if cancel is not None:
        status, reason, error = (
            AsyncJobStatus.CANCELLED,
            Reason.CANCELLED,
            f"Cancelled by {cancel.by}. {dead.sentence}",
        )
    else:
        status, reason, error = AsyncJobStatus.FAILED, dead.reason, dead.sentence
    detail = {
        "worker": dead.worker.worker_id,
        "verified": "none left" if is_reachable(dead.worker) else "unverified",
    }
    return claims.Ending(
        job=job,
        status=status,
        reason=reason,
        error=error,
        detail=detail,
        successor=successor(job, status, reason, max_attempts=max_attempts, rerun_safe=True),
    )
