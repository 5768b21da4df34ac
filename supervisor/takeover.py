"""Doing a supervisor's work from outside: when it is provably dead, or when a person forces it."""

from __future__ import annotations

import os
import signal
import time

from agentsd.errors import ConflictError
from agentsd.faults import reach
from agentsd.model import AsyncJob, AsyncJobStatus, Reason, Worker
from agentsd.store import claims, jobs, workers
from agentsd.store.database import Database
from agentsd.store.settings import Settings
from agentsd.supervisor import remnants
from agentsd.supervisor.reaper import Dead, bury
from agentsd.workers.process import descendants, kill_identified, marked, start_ticks
from agentsd.workers.title import standing_by

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
    left = claims.jobs_of(db, owner.worker_id)
    reach("takeover.begin")
    if remnants.is_reachable(owner) and not remnants.end_all(owner, left, PATIENCE):
        raise ConflictError(
            f"Processes of the dead worker {owner.worker_id} do not end. `agents diagnostics` lists them."
        )
    reach("takeover.swept")
    with db.write() as tx:
        buried = bury(tx, Dead(owner, gone=True), left, max_attempts=settings.max_attempts)
    if buried is None:
        raise ConflictError(f"Worker {owner.worker_id} is not dead: it has just started a process.")
    return jobs.get(db, job.job_id)


def force(db: Database, job: AsyncJob, owner: Worker) -> AsyncJob:
    """KILL a job whose owner is stopped or hung, wait until its tree is gone, write ``cancelled``.

    The write is fenced on the owner: when that wakes up, it finds the row ended and drops what it has.
    Raises ConflictError if the job cannot be reached from here.
    """
    while not (current := jobs.get(db, job.job_id)).status.is_terminal:
        if not remnants.is_reachable(owner) or current.pid is None or current.pid_start is None:
            raise ConflictError(
                f"Job {job.job_id} cannot be reached from here: its worker is on {owner.host}."
            )
        _end_tree(current.pid, current.pid_start)
        _end_orphans(db, owner)
        _write_forced(db, current, owner)
    return current


def _write_forced(db: Database, job: AsyncJob, owner: Worker) -> None:
    with db.write() as tx:
        # The owner may have woken up and started another process for it since: then all begins anew.
        known = (job.pid, job.pid_start)
        if claims.own_processes(tx, owner.worker_id).get(job.job_id, known) != known:
            return
        claims.finish(
            tx,
            claims.Ending(
                job=job,
                status=AsyncJobStatus.CANCELLED,
                reason=Reason.CANCELLED,
                error=f"Cancelled by {tx.actor.by} by force: its worker {owner.worker_id} did not react.",
                detail={"forced_by": tx.actor.by},
            ),
            owner.worker_id,
        )


def _end_orphans(db: Database, owner: Worker) -> None:
    """Wait until the owner's spawner has swept what dead jobs left behind; do it if there is no spawner.

    Whose orphan a process is cannot be told any more when its job process is dead: it may be this job's.
    """
    deadline = time.monotonic() + PATIENCE
    while strays := _strays(db, owner):
        if time.monotonic() >= deadline:
            raise ConflictError(
                f"These processes may belong to the job and do not end: {', '.join(map(str, strays))}."
                f" Wake worker {owner.worker_id} up (SIGCONT to {owner.pid}), or kill it."
            )
        time.sleep(remnants.ROUND_PAUSE)


def _strays(db: Database, owner: Worker) -> list[int]:
    """The owner's processes that are neither its spawner, nor stand by, nor are below a living job process of it."""
    found = list(marked(owner.worker_id))
    row = workers.get(db, owner.worker_id) or owner
    stored = [(job.pid, job.pid_start) for job in claims.jobs_of(db, owner.worker_id) if job.pid is not None]
    leaders = [pid for pid, start in stored if start_ticks(pid) == start]
    known = {row.spawner_pid, *leaders, *(pid for leader in leaders for pid in descendants(leader))}
    known |= standing_by(row.spawner_pid) if row.spawner_pid in found else set()
    strays = [pid for pid in found if pid not in known]
    if row.spawner_pid not in found:  # nobody else ends them
        for pid in strays:
            kill_identified(pid)
    return strays  # one that was gone before it could be killed counts, too: it may have forked before


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
        alive = [pid for pid, began in seen.items() if start_ticks(pid) == began and kill_identified(pid)]
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
