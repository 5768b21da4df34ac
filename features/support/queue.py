"""Queueing, claiming and finishing by the store's own functions, as supervisors and clients do."""

from __future__ import annotations

from agentsd.clock import utc_now
from agentsd.model import AsyncJob, AsyncJobStatus, PlanRow, PlanState, Reason
from agentsd.store import claims, plans
from agentsd.store.claims import Ending
from agentsd.store.database import Database
from agentsd.store.jobs import NewJob

WORKER = "01J00000000000000000000WRK"


def add_plan(db: Database, plan_id: str = "01J0000000000000000000PLAN") -> str:
    """A plan in state draft."""
    plans.create(
        db,
        PlanRow(
            plan_id=plan_id, name="demo", project="/somewhere", state=PlanState.DRAFT, frozen_json='{"timeout": 7}',
            source_path="plan.yaml", source_sha256="0", branch="main", head="0", sandbox="worktree",
            created_at=utc_now(), updated_at=utc_now(),
        ),
    )  # fmt: skip
    return plan_id


def claim(db: Database, limit: int = 1, worker_id: str = WORKER) -> list[AsyncJob]:
    """Claim as a supervisor would."""
    with db.write() as tx:
        return claims.claim(tx, worker_id, limit)


def finish(
    db: Database,
    job: AsyncJob,
    status: AsyncJobStatus = AsyncJobStatus.SUCCEEDED,
    reason: Reason = Reason.COMPLETED,
    worker_id: str = WORKER,
    successor: NewJob | None = None,
) -> AsyncJob | None:
    """Finish as a supervisor would."""
    with db.write() as tx:
        ending = Ending(job=job, status=status, reason=reason, result="1", exit_code=0, successor=successor)
        return claims.finish(tx, ending, worker_id)
