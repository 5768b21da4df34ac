"""What can be asked of the store to see whether it is well: integrity, size, and rows that contradict each other.

Everything here only reads.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agentsd.errors import StoreError
from agentsd.model import PlanState
from agentsd.store.database import Database
from agentsd.store.upgrade import latest_version

# A job's last change of state has to be the state that it is in.
_CONTRADICTED = """SELECT job_id, status, last FROM (
    SELECT j.job_id, j.status, (
        SELECT e.to_status FROM job_events AS e WHERE e.job_id = j.job_id AND e.from_status IS NOT e.to_status
        ORDER BY e.event_id DESC LIMIT 1) AS last
    FROM async_jobs AS j)
WHERE last IS NOT status LIMIT ?"""
_UNOWNED = """SELECT j.job_id, j.worker_id, w.state FROM async_jobs AS j LEFT JOIN workers AS w USING (worker_id)
WHERE j.status = 'running' AND (w.worker_id IS NULL OR w.ended_at IS NOT NULL) LIMIT ?"""
_IDLE_PLANS = """SELECT plan_id, state FROM plans AS p WHERE state IN ('executing', 'applying') AND NOT EXISTS (
    SELECT 1 FROM async_jobs AS j WHERE j.plan_id = p.plan_id AND j.status IN ('queued', 'running')) LIMIT ?"""
_OLDEST = "SELECT min(created_at) FROM async_jobs WHERE status = 'queued'"
LARGE = 256 * 2**20
"""Bytes from which on a file is not read through at a start: SQLite's check cannot be broken off, and takes a second per
gigabyte at best."""
_SMALL = ("plans", "workers")
MOST = 20
"""Findings of one kind that are reported."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The state of the database file. Sizes are bytes; ``integrity`` is ``ok`` or SQLite's complaints."""

    path: str
    version: int
    newest_version: int
    sqlite: str
    size: int
    wal_size: int
    integrity: str


class IntegrityCheck:
    """SQLite's own check of the whole file, in a thread beside everything else: it takes 0.6 s for 100,000 jobs."""

    def __init__(self, path: Path) -> None:
        """Begin."""
        self._path = path
        self._found = "it was not looked at to the end"
        self._thread = threading.Thread(target=self._check, daemon=True)
        self._thread.start()

    def result(self) -> str:
        """``ok``, or what SQLite complains about; waits for the end of the check."""
        self._thread.join()
        return self._found

    def _check(self) -> None:
        try:
            # A connection of its own: one does not serve two threads.
            with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as connection:
                complaints = connection.execute("PRAGMA quick_check(5)").fetchall()
        except sqlite3.Error as error:
            self._found = str(error)
        else:
            self._found = "; ".join(row[0] for row in complaints)


def refuse_damaged(db: Database, limit: float = 0.5, large: int = LARGE) -> None:
    """Raise StoreError if the database file is damaged: nothing is to run whose end could not be written.

    Of a file of *large* bytes only the tables are looked at that do not grow with the jobs: a start must not take
    seconds. And for *limit* seconds at most. ``agents diagnostics`` looks at all of any.
    """
    is_large = db.state.database.stat().st_size >= large
    until = time.monotonic() + limit
    db.connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        with db.explained():
            complaints = [_complaint(db, table) for table in (_SMALL if is_large else ("",))]
    finally:
        db.connection.set_progress_handler(None, 0)
    for complaint in complaints:
        if complaint != "ok":
            raise StoreError(
                f"{db.state.database} is damaged: {complaint}. Restore a backup, or move it away."
            )


def _complaint(db: Database, table: str) -> str:
    """What is wrong with *table*, or with anything; ``ok`` if nothing is."""
    try:
        return db.connection.execute(f"PRAGMA quick_check({table or 1})").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return "ok"  # so far


def examine(db: Database, integrity: str) -> StoreHealth:
    """Look at the database file; *integrity* is what an :class:`IntegrityCheck` found."""
    path = db.state.database
    wal = path.with_name(path.name + "-wal")
    return StoreHealth(
        path=str(path),
        version=db.read("PRAGMA user_version")[0][0],
        newest_version=latest_version(),
        sqlite=db.read("SELECT sqlite_version()")[0][0],
        size=path.stat().st_size,
        wal_size=wal.stat().st_size if wal.exists() else 0,
        integrity=integrity,
    )


def oldest_queued(db: Database) -> str | None:
    """When the job that has waited longest was queued; None if none waits."""
    return db.read(_OLDEST)[0][0]


def contradictions(db: Database) -> list[str]:
    """Sentences about rows that cannot both be true; empty in a store that is well."""
    found = [
        f"Job {job_id} is {status}, but its last event says {last}."
        for job_id, status, last in db.read(_CONTRADICTED, (MOST,))
    ]
    found += [
        f"Job {job_id} is running, but its worker {worker_id} {f'is {state}' if state else 'has no row'}."
        for job_id, worker_id, state in db.read(_UNOWNED, (MOST,))
    ]
    found += [
        f"Plan {plan_id} is {state}, but no job of it is queued or running."
        for plan_id, state in db.read(_IDLE_PLANS, (MOST,))
        if state == PlanState.EXECUTING or not db.state.apply_journal(plan_id).exists()
    ]
    return found
