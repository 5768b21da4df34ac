"""What the owner of a job writes: claim, start, progress, finish. Every write but the claim is fenced.

A row is claimed at most once in its life, so ``status = 'running' AND worker_id = ?`` names one attempt of
one supervisor: when a fenced write changes no row, ownership is lost and the writer must drop what it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agentsd.faults import reach
from agentsd.model import JSON, PAYLOAD_VERSION, AsyncJob, AsyncJobStatus, Reason
from agentsd.store import dependents, events, plans
from agentsd.store.database import Database
from agentsd.store.jobs import COLUMN_LIST, NewJob, insert, job_from_row
from agentsd.store.schema import MAY_START
from agentsd.store.transaction import Transaction

# One statement, so that no read can go stale before its write. The inner SELECT has to walk the partial
# index jobs_queued: left to itself the planner takes jobs_status and sorts the whole queue (4.6 ms at
# 10,000 queued rows instead of 0.09). The unary plus keeps the outer predicate from choosing an index of
# its own (it would scan: 13 ms at 200,000 queued rows instead of 25 µs).
CLAIM = f"""UPDATE async_jobs SET status = 'running', worker_id = :worker_id, claimed_at = :now, last_heartbeat = :now
WHERE seq IN (SELECT seq FROM async_jobs INDEXED BY jobs_queued WHERE {MAY_START} AND schema_version <= :version
ORDER BY priority DESC, seq LIMIT :limit) AND +status = 'queued' RETURNING {COLUMN_LIST}"""
_CLAIM_ONE = f"""UPDATE async_jobs SET status = 'running', worker_id = :worker_id, claimed_at = :now, last_heartbeat = :now
WHERE job_id = :job_id AND status = 'queued' RETURNING {COLUMN_LIST}"""
_START = """UPDATE async_jobs SET pid = ?, pid_start = ?, started_at = ?
WHERE job_id = ? AND status = 'running' AND worker_id = ?"""
_PART = """UPDATE async_jobs SET pid = NULL, pid_start = NULL, started_at = NULL
WHERE job_id = ? AND status = 'running' AND worker_id = ?"""
_FINISH = """UPDATE async_jobs SET status = ?, reason = ?, finished_at = ?, result = ?, error = ?, exit_code = ?,
signal = ?, user_s = ?, system_s = ?, max_rss_bytes = ?, progress = coalesce(?, progress)
WHERE job_id = ? AND status = 'running' AND worker_id = ? RETURNING cancel_requested_at"""
_PROGRESS = "UPDATE async_jobs SET progress = ? WHERE job_id = ? AND status = 'running' AND worker_id = ?"
_PROCESSES = "SELECT job_id, pid, pid_start FROM async_jobs WHERE worker_id = ? AND status = 'running'"
_RUNNING = (
    f"SELECT {COLUMN_LIST} FROM async_jobs WHERE worker_id = ? AND status = 'running' ORDER BY seq DESC"
)
_OWN = """SELECT job_id, cancel_requested_at, cancel_requested_by, cancel_reason, cancel_signal
FROM async_jobs WHERE worker_id = ? AND status = 'running'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a job ended: the terminal state and everything that explains it.

    ``detail`` goes into the event (signal ladder with a time per stage, last lines of output).
    ``successor`` is queued in the same transaction.
    """

    job: AsyncJob
    status: AsyncJobStatus
    reason: Reason
    result: str | None = None
    error: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    user_s: float | None = None
    system_s: float | None = None
    max_rss_bytes: int | None = None
    progress: str | None = None
    detail: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    successor: NewJob | None = None


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """What somebody wants of a running job: who, why, and which signal first (None: TERM)."""

    job_id: str
    by: str
    why: str
    signal: str | None


def claim(tx: Transaction, worker_id: str, limit: int) -> list[AsyncJob]:
    """Take up to *limit* queued jobs, first those of high priority, then the oldest. Atomic."""
    reach("claim.begin")
    rows = tx.execute(
        CLAIM, {"worker_id": worker_id, "now": tx.now, "version": PAYLOAD_VERSION, "limit": limit}
    )
    # RETURNING gives the rows in the order of the table, not in that of the inner SELECT.
    claimed = sorted((_claimed(tx, row) for row in rows), key=lambda job: -job.priority)
    if claimed:
        reach("claim.commit")
    return claimed


def claim_one(tx: Transaction, worker_id: str, job_id: str) -> AsyncJob | None:
    """Take this very job (the foreground's own), or None if it is not queued any more."""
    rows = tx.execute(_CLAIM_ONE, {"worker_id": worker_id, "now": tx.now, "job_id": job_id})
    return _claimed(tx, rows[0]) if rows else None


def _claimed(tx: Transaction, row: tuple[object, ...]) -> AsyncJob:
    job = job_from_row(row)
    events.record(tx, job.job_id, AsyncJobStatus.QUEUED, AsyncJobStatus.RUNNING)
    return job


def something_is_queued(db: Database) -> bool:
    """Whether a claim would find anything; reads only."""
    return bool(
        db.read(
            f"SELECT 1 FROM async_jobs WHERE {MAY_START} AND schema_version <= ? LIMIT 1",
            (PAYLOAD_VERSION,),
        )
    )


def mark_started(tx: Transaction, job: AsyncJob, worker_id: str, pid: int, pid_start: int) -> bool:
    """Store the identity of a job's process, before its handler may begin. False: ownership lost."""
    reach("start.store")
    return bool(tx.change(_START, (pid, pid_start, tx.now, job.job_id, worker_id)))


def mark_parted(tx: Transaction, job_id: str, worker_id: str) -> None:
    """The job's process is gone and its handler has not begun: it waits for another one."""
    tx.change(_PART, (job_id, worker_id))


def save_progress(tx: Transaction, job_id: str, worker_id: str, progress: str) -> None:
    """Replace a job's progress."""
    tx.change(_PROGRESS, (progress, job_id, worker_id))


def note(tx: Transaction, job_id: str, worker_id: str, detail: Mapping[str, JSON]) -> None:
    """Record what happened to a running job that is no change of its state."""
    if job_id in own_processes(tx, worker_id):
        events.record(tx, job_id, AsyncJobStatus.RUNNING, AsyncJobStatus.RUNNING, None, detail)


def own_jobs(source: Transaction | Database, worker_id: str) -> dict[str, CancelRequest | None]:
    """The running jobs of a supervisor, each with the cancel that somebody requests, if somebody does."""
    rows = (
        source.execute(_OWN, (worker_id,))
        if isinstance(source, Transaction)
        else source.read(_OWN, (worker_id,))
    )
    return {
        job_id: CancelRequest(job_id, by, why or "", signal) if at is not None else None
        for job_id, at, by, why, signal in rows
    }


def jobs_of(db: Database, worker_id: str) -> list[AsyncJob]:
    """The jobs that a supervisor's death leaves running, newest first."""
    return [job_from_row(row) for row in db.read(_RUNNING, (worker_id,))]


def own_processes(tx: Transaction, worker_id: str) -> dict[str, tuple[int | None, int | None]]:
    """The running jobs of a supervisor, each with the (pid, start ticks) that is stored."""
    return {job_id: (pid, start) for job_id, pid, start in tx.execute(_PROCESSES, (worker_id,))}


def finish(tx: Transaction, ending: Ending, worker_id: str) -> AsyncJob | None:
    """Write a job's end, its event, its plan's state and its successor, if *worker_id* still owns it.

    Returns the job that was queued as its successor, or None. A fenced-off ending is dropped and
    recorded as an event.
    """
    job = ending.job
    reach("finish.begin")
    found = tx.execute(
        _FINISH,
        (
            ending.status,
            ending.reason,
            tx.now,
            ending.result,
            ending.error,
            ending.exit_code,
            ending.signal,
            ending.user_s,
            ending.system_s,
            ending.max_rss_bytes,
            ending.progress,
            job.job_id,
            worker_id,
        ),
    )
    if not found:
        _record_late(tx, ending, worker_id)
        return None
    events.record(
        tx,
        job.job_id,
        AsyncJobStatus.RUNNING,
        ending.status,
        ending.reason,
        {**ending.detail, **_facts(ending)},
    )
    plans.end_phase(tx, job.plan_id, job.phase, ending.status)
    reach("finish.commit")
    # A cancel may have been asked for after the job had died and before its owner could read that: whoever
    # asked was told that it is noted, so nothing of this job is tried again.
    if ending.successor is None or found[0][0] is not None:
        dependents.settle(tx, job.job_id, ending.status)
        return None
    plans.resume_phase(tx, job.plan_id, job.phase)
    successor = insert(tx, ending.successor)
    dependents.settle(tx, job.job_id, ending.status, successor=successor.job_id)
    return successor


def _facts(ending: Ending) -> dict[str, JSON]:
    facts = {"exit_code": ending.exit_code, "signal": ending.signal, "error": ending.error}
    return {name: value for name, value in facts.items() if value is not None}


def _record_late(tx: Transaction, ending: Ending, worker_id: str) -> None:
    """Ownership was lost: the late result is dropped, and the history says so (if the row still exists)."""
    found = tx.execute(
        "SELECT status, reason, worker_id FROM async_jobs WHERE job_id = ?", (ending.job.job_id,)
    )
    # The same end by the same owner: an earlier commit was applied although it reported an error.
    if found and found[0] != (ending.status, ending.reason, worker_id):
        detail = {
            "dropped": "late result",
            "status": ending.status,
            "reason": ending.reason,
            **_facts(ending),
        }
        events.record(tx, ending.job.job_id, found[0][0], found[0][0], None, detail)
