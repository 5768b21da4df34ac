"""``job_events``: one row for each thing that happened to a job, written in the transaction it happened in."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from agentsd.model import JSON, JobEvent
from agentsd.store.database import Database
from agentsd.store.transaction import Transaction

_INSERT = """INSERT INTO job_events (job_id, at, from_status, to_status, reason, actor, pid, worker_id, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SELECT = """SELECT job_id, at, from_status, to_status, reason, actor, pid, worker_id, detail
FROM job_events WHERE job_id = ? ORDER BY event_id"""


def record(
    tx: Transaction,
    job_id: str,
    from_status: str | None,
    to_status: str | None,
    reason: str | None = None,
    detail: Mapping[str, JSON] | None = None,
) -> None:
    """Write one event of *job_id*, by the transaction's actor at the transaction's time."""
    actor = tx.actor
    text = orjson.dumps(detail).decode() if detail else "{}"
    tx.connection.execute(
        _INSERT,
        (job_id, tx.now, from_status, to_status, reason, actor.by, actor.pid, actor.worker_id, text),
    )


def for_job(db: Database, job_id: str) -> list[JobEvent]:
    """The events of a job, oldest first."""
    return [
        JobEvent(
            job_id=row[0],
            at=row[1],
            from_status=row[2],
            to_status=row[3],
            reason=row[4],
            by=row[5],
            pid=row[6],
            worker_id=row[7],
            detail=orjson.loads(row[8]),
        )
        for row in db.read(_SELECT, (job_id,))
    ]
