"""Steering: jobs that are held, jobs that wait for another one, and keys that make enqueueing idempotent."""

from __future__ import annotations

from typing import Any

from agentsd.store.schema import execute_all

# Plain ADD COLUMN without a default: peewee's own would copy the table and lose its triggers. The CHECKs keep even
# `sqlite3` on the command line from claiming a job that is held or still waits.
COLUMNS = (
    "held_at TEXT CONSTRAINT held_waits CHECK (held_at IS NULL OR status IN ('queued', 'cancelled'))",
    "held_by TEXT CONSTRAINT held_by_somebody CHECK ((held_by IS NULL) = (held_at IS NULL))",
    "waits_for TEXT CONSTRAINT waiting_is_queued CHECK (waits_for IS NULL OR status IN ('queued', 'cancelled'))",
    "key TEXT",
)


def up(_migrator: Any, db: Any) -> None:
    """Add the columns. Indexes and triggers are made anew after every migration."""
    execute_all(db, (f"ALTER TABLE async_jobs ADD COLUMN {column}" for column in COLUMNS))
