"""The first schema: plans, jobs, workers, events."""

from __future__ import annotations

from typing import Any

from agentsd.model import PlanState
from agentsd.store.schema import APPLICATION_ID, REASON_FITS_STATUS, STATUSES, TERMINAL, execute_all, listing

TABLES = (
    f"""CREATE TABLE plans (
        plan_id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        project TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN {listing(PlanState)}),
        frozen_json TEXT NOT NULL,
        source_path TEXT NOT NULL,
        source_sha256 TEXT NOT NULL,
        branch TEXT,
        head TEXT,
        sandbox TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT""",
    f"""CREATE TABLE async_jobs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL UNIQUE,
        plan_id TEXT NOT NULL,
        phase TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN {STATUSES}),
        payload_json TEXT NOT NULL,
        schema_version INTEGER NOT NULL CHECK (schema_version >= 1),
        created_at TEXT NOT NULL,
        claimed_at TEXT,
        started_at TEXT,
        finished_at TEXT,
        worker_id TEXT,
        last_heartbeat TEXT,
        reason TEXT,
        attempt INTEGER NOT NULL DEFAULT 1 CHECK (attempt >= 1),
        retry_of TEXT,
        priority INTEGER NOT NULL DEFAULT 0,
        timeout REAL CHECK (timeout > 0),
        pid INTEGER,
        pid_start INTEGER,
        cancel_requested_at TEXT,
        cancel_requested_by TEXT,
        cancel_reason TEXT,
        cancel_signal TEXT,
        result TEXT,
        error TEXT,
        exit_code INTEGER,
        signal TEXT,
        user_s REAL,
        system_s REAL,
        max_rss_bytes INTEGER,
        progress TEXT,
        CONSTRAINT queued_has_no_worker CHECK (
            status <> 'queued' OR (worker_id IS NULL AND claimed_at IS NULL AND started_at IS NULL)),
        CONSTRAINT running_has_worker CHECK (
            status <> 'running' OR (worker_id IS NOT NULL AND claimed_at IS NOT NULL)),
        CONSTRAINT terminal_has_end CHECK ((status IN {TERMINAL}) = (finished_at IS NOT NULL)),
        CONSTRAINT terminal_has_reason CHECK ((status IN {TERMINAL}) = (reason IS NOT NULL)),
        CONSTRAINT reason_fits_status CHECK (reason IS NULL OR {REASON_FITS_STATUS})
    ) STRICT""",
    """CREATE TABLE workers (
        worker_id TEXT PRIMARY KEY NOT NULL,
        host TEXT NOT NULL,
        boot_id TEXT NOT NULL,
        pid_namespace TEXT NOT NULL,
        pid INTEGER NOT NULL,
        pid_start INTEGER NOT NULL,
        uid INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'draining', 'stopped', 'lost')),
        max_workers INTEGER NOT NULL CHECK (max_workers >= 1),
        ttl REAL NOT NULL CHECK (ttl > 0),
        beat INTEGER NOT NULL DEFAULT 0,
        started_at TEXT NOT NULL,
        last_heartbeat TEXT NOT NULL,
        jobs_processed INTEGER NOT NULL DEFAULT 0,
        running INTEGER NOT NULL DEFAULT 0,
        socket_path TEXT,
        spawner_pid INTEGER,
        version TEXT NOT NULL,
        ended_at TEXT,
        end_reason TEXT,
        CONSTRAINT ended_says_so CHECK ((state IN ('stopped', 'lost')) = (ended_at IS NOT NULL))
    ) STRICT""",
    """CREATE TABLE job_events (
        event_id INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL REFERENCES async_jobs (job_id) ON DELETE CASCADE,
        at TEXT NOT NULL,
        from_status TEXT,
        to_status TEXT,
        reason TEXT,
        actor TEXT NOT NULL,
        pid INTEGER NOT NULL,
        worker_id TEXT,
        detail TEXT NOT NULL DEFAULT '{}'
    ) STRICT""",
)


def up(_migrator: Any, db: Any) -> None:
    """Create the tables. Indexes and triggers are made anew after every migration."""
    db.execute_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    execute_all(db, TABLES)
