"""Pruning: jobs that ended long ago go, with their events and logs, in slices that stall nobody."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from agentsd.faults import reach
from agentsd.store import workers
from agentsd.store.database import Database
from agentsd.store.paths import StateDir
from agentsd.store.transaction import Transaction

SLICE = 200
"""Jobs per transaction."""

# The latest success of a plan that is not applied yet is what `plan diff` and `plan apply` use: it stays,
# however old it is. So do all rows of a plan that is active.
_EXPIRED = """SELECT job_id FROM async_jobs AS j WHERE finished_at < ? AND NOT (
    phase = 'execute' AND status = 'succeeded' AND EXISTS (
        SELECT 1 FROM plans AS p WHERE p.plan_id = j.plan_id AND p.state NOT IN ('applied', 'discarded')))
ORDER BY finished_at LIMIT ?"""


def cutoff(retention: float, now: datetime | None = None) -> str:
    """The time before which what ended is pruned. *retention* is seconds."""
    moment = (now or datetime.now(UTC)) - timedelta(seconds=retention)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def expired(db: Database, before: str, limit: int = -1) -> list[str]:
    """Ids of the jobs that a prune would delete, oldest first."""
    return [row[0] for row in db.read(_EXPIRED, (before, limit))]


def remove_logs(state: StateDir, job_ids: Iterable[str]) -> None:
    """Remove the log directories of jobs that are about to be deleted.

    Logs go before rows: if this process is killed in between, the next prune finds the rows again.
    """
    reach("prune.begin")
    for job_id in job_ids:
        shutil.rmtree(state.job_logs(job_id), ignore_errors=True)


def delete(tx: Transaction, job_ids: Iterable[str], before: str) -> None:
    """Delete jobs that have ended, their events, and supervisors that ended before the time *before*."""
    reach("prune.logs")
    tx.connection.executemany("DELETE FROM async_jobs WHERE job_id = ?", [(job_id,) for job_id in job_ids])
    workers.prune(tx, before)
    reach("prune.commit")


def prune(db: Database, before: str) -> int:
    """Delete all that is expired, slice by slice; returns how many jobs went."""
    total = 0
    while True:
        gone = expired(db, before, SLICE)
        remove_logs(db.state, gone)
        with db.write() as tx:
            delete(tx, gone, before)
        reach("prune.committed")
        total += len(gone)
        if len(gone) < SLICE:
            return total
