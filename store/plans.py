"""``plans``: frozen plans and their state, which moves in the transactions of their jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from agentsd.errors import ConflictError, NotFoundError
from agentsd.model import (
    PLAN_PHASES,
    PLAN_STATES_BEFORE,
    AsyncJobStatus,
    Phase,
    PlanRow,
    PlanState,
    plan_state_after,
)
from agentsd.store.database import Database
from agentsd.store.ids import resolve_id
from agentsd.store.schema import ACTIVE
from agentsd.store.transaction import Transaction

_COLUMNS = tuple(field.name for field in fields(PlanRow))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM plans"
_INSERT = f"INSERT INTO plans ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_HAS_RESULT = """SELECT 1 FROM async_jobs
WHERE plan_id = ? AND phase = 'execute' AND status = 'succeeded' LIMIT 1"""

_ACTIVE = f"""SELECT job_id FROM async_jobs
WHERE plan_id = ? AND phase IN ('execute', 'apply') AND status IN {ACTIVE} LIMIT 1"""


def _plan(row: tuple[object, ...]) -> PlanRow:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["state"] = PlanState(str(values["state"]))
    return PlanRow(**values)  # pyright: ignore[reportArgumentType]


def create(db: Database, plan: PlanRow) -> None:
    """Store a new plan."""
    with db.write() as tx:
        tx.execute(_INSERT, tuple(getattr(plan, column) for column in _COLUMNS))


def get(db: Database, plan_id: str) -> PlanRow:
    """The plan with exactly this id. Raises NotFoundError."""
    found = db.read(f"{_SELECT} WHERE plan_id = ?", (plan_id,))
    if not found:
        raise NotFoundError("plan", plan_id)
    return _plan(found[0])


def resolve(db: Database, ident: str) -> str:
    """The full id that *ident* (an id, or a prefix or suffix of 6+ characters) names."""
    return resolve_id(db, "plan", "plans", "plan_id", ident)


def list_plans(
    db: Database, *, states: Iterable[str] = (), since: str | None = None, limit: int | None = None
) -> list[PlanRow]:
    """Plans, newest first; *since* is the time before which none was made."""
    wanted = tuple(states)
    where = f" AND state IN ({', '.join('?' * len(wanted))})" if wanted else ""
    rows = db.read(
        f"{_SELECT} WHERE created_at >= ?{where} ORDER BY created_at DESC, plan_id DESC LIMIT ?",
        (since or "", *wanted, -1 if limit is None else limit),
    )
    return [_plan(row) for row in rows]


def set_state(db: Database, plan_id: str, new: PlanState, allowed_from: Iterable[PlanState]) -> None:
    """Move a plan by hand (discard, revert).

    Raises ConflictError if it is not in *allowed_from*, or if a job of it is active: that would move it on.
    """
    with db.write() as tx:
        if active := tx.execute(_ACTIVE, (plan_id,)):
            raise ConflictError(f"Plan {plan_id} has an active job: {active[0][0]}. Cancel it first.")
        deed = "discarded" if new is PlanState.DISCARDED else "made " + new
        _move(tx, plan_id, new, frozenset(allowed_from), deed)


def begin_phase(tx: Transaction, plan_id: str, phase: Phase) -> None:
    """Move a plan to the state in which a job of *phase* is active. Raises ConflictError, NotFoundError."""
    new = PlanState.EXECUTING if phase is Phase.EXECUTE else PlanState.APPLYING
    deed = "executed" if phase is Phase.EXECUTE else "applied"
    _move(tx, plan_id, new, PLAN_STATES_BEFORE[phase], deed)


def resume_phase(tx: Transaction, plan_id: str, phase: str) -> None:
    """Keep a plan in its active state for the automatic successor of a job that has just ended."""
    new = PlanState.EXECUTING if phase == Phase.EXECUTE else PlanState.APPLYING
    tx.change("UPDATE plans SET state = ?, updated_at = ? WHERE plan_id = ?", (new, tx.now, plan_id))


def end_phase(tx: Transaction, plan_id: str, phase: str, status: AsyncJobStatus) -> None:
    """Move a plan on after its job of *phase* ended with *status*; other phases move nothing."""
    if phase not in PLAN_PHASES:
        return
    new = plan_state_after(
        phase,
        status,
        has_result=bool(tx.execute(_HAS_RESULT, (plan_id,))),
        apply_begun=tx.state.apply_journal(plan_id).exists(),
        apply_finished=tx.state.finished_apply_journal(plan_id).exists(),
    )
    tx.change(
        "UPDATE plans SET state = ?, updated_at = ? WHERE plan_id = ? AND state IN ('executing', 'applying')",
        (new, tx.now, plan_id),
    )


def _move(
    tx: Transaction, plan_id: str, new: PlanState, allowed_from: frozenset[PlanState], deed: str
) -> None:
    marks = ", ".join("?" * len(allowed_from))
    changed = tx.change(
        f"UPDATE plans SET state = ?, updated_at = ? WHERE plan_id = ? AND state IN ({marks})",
        (new, tx.now, plan_id, *allowed_from),
    )
    if changed:
        return
    row = tx.execute("SELECT state FROM plans WHERE plan_id = ?", (plan_id,))
    if not row:
        raise NotFoundError("plan", plan_id)
    expected = " or ".join(sorted(allowed_from))
    raise ConflictError(f"Plan {plan_id} is {row[0][0]}: only one that is {expected} can be {deed}.")
