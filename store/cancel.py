"""Cancelling: a queued job ends at once; for a running one the wish is written and its owner acts."""

from __future__ import annotations

from collections.abc import Iterable

from agentsd.errors import AgentsError, InvalidTransitionError, NotFoundError
from agentsd.faults import reach
from agentsd.model import AsyncJob, AsyncJobStatus, Reason
from agentsd.store import dependents, events, plans
from agentsd.store.jobs import COLUMN_LIST, job_from_row
from agentsd.store.transaction import Transaction

_CANCEL_QUEUED = f"""UPDATE async_jobs SET status = 'cancelled', reason = 'cancelled_before_start', finished_at = :now,
cancel_requested_at = :now, cancel_requested_by = :by, cancel_reason = :why
WHERE job_id = :job_id AND status = 'queued' RETURNING {COLUMN_LIST}"""
# The first request is kept: who cancelled first is who cancelled.
_REQUEST = f"""UPDATE async_jobs SET cancel_requested_at = coalesce(cancel_requested_at, :now),
cancel_requested_by = coalesce(cancel_requested_by, :by), cancel_reason = coalesce(cancel_reason, :why),
cancel_signal = coalesce(:signal, cancel_signal) WHERE job_id = :job_id AND status = 'running' RETURNING {COLUMN_LIST}"""


def request_cancel(tx: Transaction, job_id: str, *, why: str = "", signal: str | None = None) -> AsyncJob:
    """Cancel a queued job, or ask the owner of a running one to. Returns the job as it is then.

    Raises NotFoundError, or InvalidTransitionError if the job has ended.
    """
    by = tx.actor.by
    values = {"now": tx.now, "by": by, "why": why or None, "signal": signal, "job_id": job_id}
    reach("cancel.request")
    rows = tx.execute(_CANCEL_QUEUED, values)
    if rows:
        job = job_from_row(rows[0])
        detail = {"cancelled_by": by, **({"why": why} if why else {})}
        events.record(tx, job_id, AsyncJobStatus.QUEUED, job.status, Reason.CANCELLED_BEFORE_START, detail)
        plans.end_phase(tx, job.plan_id, job.phase, job.status)
        dependents.settle(tx, job_id, job.status)
        return job
    rows = tx.execute(_REQUEST, values)
    if rows:
        detail = {"requested": "cancel", "why": why or None, "signal": signal}
        events.record(tx, job_id, AsyncJobStatus.RUNNING, AsyncJobStatus.RUNNING, None, detail)
        return job_from_row(rows[0])
    found = tx.execute("SELECT status FROM async_jobs WHERE job_id = ?", (job_id,))
    if not found:
        raise NotFoundError("job", job_id)
    raise InvalidTransitionError(job_id, found[0][0], AsyncJobStatus.CANCELLED)


def request_cancels(
    tx: Transaction, ids: Iterable[str], *, why: str = "", signal: str | None = None
) -> list[AsyncJob | AgentsError]:
    """As :func:`request_cancel`, for each of *ids*; in the place of a job that cannot be cancelled stands why."""
    asked: list[AsyncJob | AgentsError] = []
    for job_id in ids:
        try:
            asked.append(request_cancel(tx, job_id, why=why, signal=signal))
        except (NotFoundError, InvalidTransitionError) as error:  # nothing has been written of that job
            asked.append(error)
    return asked
