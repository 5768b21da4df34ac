"""Steering what waits: hold it, release it, move it forward or back. Running jobs are only cancelled."""

from __future__ import annotations

from collections.abc import Mapping

from agentsd.errors import ConflictError, NotFoundError
from agentsd.model import JSON, AsyncJob, AsyncJobStatus
from agentsd.store import events
from agentsd.store.jobs import COLUMN_LIST, check_priority, job_from_row
from agentsd.store.transaction import Transaction

_HOLD = """held_at = :now, held_by = :by WHERE job_id = :job_id AND held_at IS NULL"""
_RELEASE = """held_at = NULL, held_by = NULL WHERE job_id = :job_id AND held_at IS NOT NULL"""
_PRIORITY = """priority = :priority WHERE job_id = :job_id AND priority <> :priority"""


def hold(tx: Transaction, job_id: str) -> AsyncJob:
    """Keep a queued job from being claimed until it is released; holding it twice changes nothing.

    Raises ConflictError if it is not queued (any more), NotFoundError.
    """
    return _steer(tx, job_id, _HOLD, {"held": True}, doing="held")


def release(tx: Transaction, job_id: str) -> AsyncJob:
    """Let a held job be claimed again. Raises as :func:`hold`."""
    return _steer(tx, job_id, _RELEASE, {"held": False}, doing="released")


def set_priority(tx: Transaction, job_id: str, priority: int) -> AsyncJob:
    """Move a queued job in the queue: a higher *priority* runs first. Raises as :func:`hold`, and InvalidInputError."""
    check_priority(priority)
    return _steer(tx, job_id, _PRIORITY, {"priority": priority}, doing="moved")


def _steer(tx: Transaction, job_id: str, change: str, detail: Mapping[str, JSON], *, doing: str) -> AsyncJob:
    """Change a queued job and record it. One claimed in between is not queued any more: the WHERE sees that."""
    values = {"now": tx.now, "by": tx.actor.by, "job_id": job_id, **detail}
    rows = tx.execute(f"UPDATE async_jobs SET {change} AND status = 'queued' RETURNING {COLUMN_LIST}", values)
    if rows:
        events.record(tx, job_id, AsyncJobStatus.QUEUED, AsyncJobStatus.QUEUED, None, detail)
        return job_from_row(rows[0])
    found = tx.execute(f"SELECT {COLUMN_LIST} FROM async_jobs WHERE job_id = ?", (job_id,))
    if not found:
        raise NotFoundError("job", job_id)
    job = job_from_row(found[0])
    if job.status is not AsyncJobStatus.QUEUED:
        raise ConflictError(f"Job {job_id} is {job.status}: only a queued job can be {doing}.")
    return job
