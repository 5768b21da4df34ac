"""Doing a supervisor's work from outside: when it is provably dead, or when a person forces it."""

from __future__ import annotations

import os
import signal
import time

from agentsd.errors import ConflictError
from agentsd.model import AsyncJob, AsyncJobStatus, Reason, Worker
from agentsd.store import claims, jobs
from agentsd.store.database import Database
from agentsd.store.settings import Settings
from agentsd.supervisor import remnants
from agentsd.supervisor.reaper import Dead, bury, jobs_of
from agentsd.workers.process import descendants, start_ticks

PATIENCE = 15.0
"""Seconds until the remnants of a dead supervisor are gone; fork-and-exit hoppers take that long."""


def is_dead(worker: Worker) -> bool:
    """Whether a supervisor is gone for certain: its row is closed, or its process is not there any more."""
    return worker.ended_at is not None or remnants.is_provably_dead(worker)


def bury_owner(db: Database, settings: Settings, job: AsyncJob, owner: Worker | None) -> AsyncJob:
    """End all that a dead supervisor left, and its rows; returns *job* as it is then.

    Raises ConflictError if processes are left that this process cannot end.
    """
    if owner is None:
        raise ConflictError(f"Job {job.job_id} is running, but its worker {job.worker_id} has no row.")
    left = jobs_of(db, owner.worker_id)
    if remnants.is_reachable(owner) and not remnants.end_all(owner, left, PATIENCE):
        raise ConflictError(
            f"Processes of the dead worker {owner.worker_id} do not end. `agents diagnostics` lists them."
        )
    with db.write() as tx:
        bury(tx, Dead(owner, gone=True), left, max_attempts=settings.max_attempts)
    return jobs.get(db, job.job_id)


def force(db: Database, job: AsyncJob, owner: Worker) -> AsyncJob:
    """KILL a job whose owner is stopped or hung, wait until its tree is gone, write ``cancelled``.

    The write is fenced on the owner: when that wakes up, it finds the row ended and drops what it has.
    Raises ConflictError if the job cannot be reached from here.
    """
    current = jobs.get(db, job.job_id)
    if current.status.is_terminal:
        return current
    if not remnants.is_reachable(owner) or current.pid is None or current.pid_start is None:
        raise ConflictError(f"Job {job.job_id} cannot be reached from here: its worker is on {owner.host}.")
    _end_tree(current.pid, current.pid_start)
    with db.write() as tx:
        claims.finish(
            tx,
            claims.Ending(
                job=current,
                status=AsyncJobStatus.CANCELLED,
                reason=Reason.CANCELLED,
                error=f"Cancelled by {tx.actor.by} by force: its worker {owner.worker_id} did not react.",
                detail={"forced_by": tx.actor.by},
            ),
            owner.worker_id,
        )
    return jobs.get(db, job.job_id)


def _end_tree(leader: int, start: int) -> None:
    """KILL a job process and everything below it, again until nothing is left.

    The tree is read before the leader dies, because then its orphans go to the stopped owner's spawner.
    """
    seen = {leader: start}
    deadline = time.monotonic() + PATIENCE
    while True:
        for pid in list(seen):
            if start_ticks(pid) == seen[pid]:
                seen.update(
                    {below: start_ticks(below) or 0 for below in descendants(pid) if below not in seen}
                )
        alive = [pid for pid, began in seen.items() if start_ticks(pid) == began and remnants.kill(pid)]
        if not alive:
            return
        if time.monotonic() >= deadline:
            raise ConflictError(f"These processes do not end: {', '.join(map(str, alive))}.")
        time.sleep(remnants.ROUND_PAUSE)


def signal_worker(worker: Worker, number: signal.Signals) -> None:
    """Signal a supervisor by its identity. Raises ConflictError if that process is not here."""
    if not remnants.identity_of(worker).is_here() or not remnants.identity_of(worker).is_alive():
        raise ConflictError(
            f"Worker {worker.worker_id} (pid {worker.pid} on {worker.host}) does not run here."
        )
    try:
        os.kill(worker.pid, number)
    except PermissionError:
        raise ConflictError(
            f"Worker {worker.worker_id} belongs to another user (uid {worker.uid})."
        ) from None
