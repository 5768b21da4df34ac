"""How a worker is, as far as can be seen from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from agentsd.cli.words import seconds_between
from agentsd.model import AsyncJob, AsyncJobStatus, Worker

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


def seen_workers(client: Client, *, include_ended: bool = False) -> list[tuple[Worker, str]]:
    """Every worker with its health; ``running`` is counted now, as its own row is as old as its last beat."""
    from agentsd.store import workers  # noqa: PLC0415 - loaded with the client

    running = Counter(job.worker_id for job in client.list(statuses=[AsyncJobStatus.RUNNING]))
    rows = workers.list_workers(client.db, include_ended=include_ended)
    return [(replace(row, running=running[row.worker_id]), health_of(row)) for row in rows]


def health_of(worker: Worker) -> str:
    """``alive``, ``draining``, ``silent`` (no beat for its TTL), ``dead`` (its process is gone), ``stopped``, ``lost``.

    The wall clock is good enough to tell a person; nothing is ever ended because of it.
    """
    from agentsd.supervisor.takeover import is_dead  # noqa: PLC0415 - loaded with the client

    if worker.ended_at is not None:
        return worker.state
    if is_dead(worker):
        return "dead"
    if seconds_between(worker.last_heartbeat) > worker.ttl:
        return "silent"
    return "draining" if worker.state == "draining" else "alive"


def abandoned(client: Client, jobs: Iterable[AsyncJob]) -> set[str]:
    """Ids of those *jobs* that are called running although their worker is dead, as far as can be seen from here."""
    from agentsd.store import workers  # noqa: PLC0415 - loaded with the client
    from agentsd.supervisor.takeover import is_dead  # noqa: PLC0415 - loaded with the client

    owners = {job.job_id: job.worker_id for job in jobs if job.status is AsyncJobStatus.RUNNING}
    rows = {owner: workers.get(client.db, owner or "") for owner in set(owners.values())}
    dead = {owner for owner, row in rows.items() if row is None or is_dead(row)}
    # A worker that was stopped after the look at its job has ended that first: then the job is not running now.
    running = {job.job_id for job in client.list(statuses=[AsyncJobStatus.RUNNING])} if dead else set[str]()
    return {job_id for job_id, owner in owners.items() if owner in dead and job_id in running}
