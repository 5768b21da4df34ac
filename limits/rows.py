"""Stores with many rows in them, as a long life or a large batch would leave them."""

from __future__ import annotations

from agentsd import Client
from agentsd.store.transaction import Transaction

_SLICE = 50_000
"""Rows in one transaction: more would make a log of gigabytes."""
_QUEUED = """INSERT INTO async_jobs (job_id, plan_id, phase, status, payload_json, schema_version, created_at)
WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i < ?)
SELECT printf('OLD%023d', i), printf('OLD%023d', i), 'noop', 'queued', '{"schema_version":1,"phase":"noop","data":null}', 1,
'2026-01-31T09:00:00.000000Z' FROM n"""
_FIRST_EVENT = """INSERT INTO job_events (job_id, at, to_status, actor, pid)
SELECT job_id, created_at, 'queued', 'root@host', 1 FROM async_jobs WHERE seq > (SELECT max(seq) - ? FROM async_jobs)"""
_STARTED = """UPDATE async_jobs SET status = 'running', worker_id = '01J0000000000000000000GONE', claimed_at = created_at,
started_at = created_at, pid = 1, pid_start = 1
WHERE seq IN (SELECT seq FROM async_jobs INDEXED BY jobs_status WHERE status = 'queued' LIMIT ?)"""
_EVENT = """INSERT INTO job_events (job_id, at, from_status, to_status, reason, actor, pid, worker_id)
SELECT job_id, created_at, ?, ?, ?, 'root@host', 1, worker_id FROM async_jobs WHERE status = 'running'"""
_FINISHED = """UPDATE async_jobs SET status = 'succeeded', reason = 'completed', result = 'null', exit_code = 0,
finished_at = '2026-01-31T09:00:01.000000Z' WHERE status = 'running'"""


def fill(client: Client, rows: int, *, finished: bool) -> None:
    """Put *rows* jobs into a store, queued or finished, with their events; then empty its log."""
    for first in range(1, rows + 1, _SLICE):
        count = min(_SLICE, rows - first + 1)
        with client.db.write() as tx:
            tx.execute(_QUEUED, (first, first + count - 1))
            tx.execute(_FIRST_EVENT, (count,))
            if finished:
                _finish(tx, count)
    client.db.read("PRAGMA wal_checkpoint(TRUNCATE)")


def finish_all(client: Client) -> None:
    """Let every queued job have started and succeeded long ago."""
    while client.db.read("SELECT 1 FROM async_jobs WHERE status = 'queued' LIMIT 1"):
        with client.db.write() as tx:
            _finish(tx, _SLICE)
    client.db.read("PRAGMA wal_checkpoint(TRUNCATE)")


def _finish(tx: Transaction, count: int) -> None:
    tx.execute(_STARTED, (count,))
    tx.execute(_EVENT, ("queued", "running", None))
    tx.execute(_EVENT, ("running", "succeeded", "completed"))
    tx.execute(_FINISHED)
