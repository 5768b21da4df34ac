"""Jobs that wait for another one: what becomes of them when that one ends, in the transaction that ends it."""

from __future__ import annotations

from agentsd.model import AsyncJobStatus, Reason
from agentsd.store import events, plans
from agentsd.store.transaction import Transaction

_ANYBODY = "SELECT 1 FROM async_jobs WHERE waits_for = ? LIMIT 1"
_FOLLOW = "UPDATE async_jobs SET waits_for = :successor WHERE waits_for = :job_id AND status = 'queued'"
_RELEASE = """UPDATE async_jobs SET waits_for = NULL WHERE waits_for = :job_id AND status = 'queued'
RETURNING job_id"""
_CANCEL = """UPDATE async_jobs SET status = 'cancelled', reason = 'dependency_failed', finished_at = :now, error = :error
WHERE waits_for = :job_id AND status = 'queued' RETURNING job_id, plan_id, phase"""


def settle(tx: Transaction, job_id: str, status: AsyncJobStatus, *, successor: str | None = None) -> None:
    """Job *job_id* has just ended with *status*: let those that wait for it start, or end them, too.

    With a *successor* (an automatic new attempt) they wait for that one instead.
    """
    if not tx.execute(_ANYBODY, (job_id,)):  # hardly ever, and a look is a third of an update
        return
    if successor is not None:
        tx.change(_FOLLOW, {"job_id": job_id, "successor": successor})
    elif status is AsyncJobStatus.SUCCEEDED:
        _release(tx, job_id)
    else:
        _cancel(tx, job_id, status)


def _release(tx: Transaction, job_id: str) -> None:
    for (waiting,) in tx.execute(_RELEASE, {"job_id": job_id}):
        events.record(
            tx, waiting, AsyncJobStatus.QUEUED, AsyncJobStatus.QUEUED, None, {"may_start_after": job_id}
        )


def _cancel(tx: Transaction, job_id: str, status: AsyncJobStatus) -> None:
    """End all that wait for *job_id*, and all that wait for those; a chain of any length, so no recursion."""
    ended = [(job_id, status)]
    while ended:
        before, how = ended.pop()
        error = f"It was to start after job {before}, which ended {how}."
        for waiting, plan_id, phase in tx.execute(_CANCEL, {"job_id": before, "now": tx.now, "error": error}):
            events.record(
                tx,
                waiting,
                AsyncJobStatus.QUEUED,
                AsyncJobStatus.CANCELLED,
                Reason.DEPENDENCY_FAILED,
                {"after": before},
            )
            plans.end_phase(tx, plan_id, phase, AsyncJobStatus.CANCELLED)
            ended.append((waiting, AsyncJobStatus.CANCELLED))
