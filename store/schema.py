"""The database's own rules: indexes, triggers and CHECKs, derived from the one state machine.

Triggers and indexes are constants that every migration creates anew, because SQLite drops a table's
triggers silently when peewee rebuilds it (``add_column`` with a default does). So there is one text of
them, and a test compares ``sqlite_master`` of every upgrade path with that of a fresh store.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agentsd.model import (
    ACTIVE_STATUSES,
    REASONS,
    TERMINAL_STATUSES,
    VALID_TRANSITIONS,
    AsyncJobStatus,
    Phase,
)
from agentsd.store import totals

APPLICATION_ID = 0x41474E54  # "AGNT": how an agentsd database is told from any other


def execute_all(db: Any, statements: Iterable[str]) -> None:
    """Run each of *statements* on a peewee database."""
    for statement in statements:
        db.execute_sql(statement)


def listing(values: Iterable[str]) -> str:
    """*values* as an SQL list of text literals, in a stable order."""
    return "(" + ", ".join(f"'{value}'" for value in sorted(values)) + ")"


STATUSES = listing(AsyncJobStatus)
TERMINAL = listing(TERMINAL_STATUSES)
ACTIVE = listing(ACTIVE_STATUSES)
REASON_FITS_STATUS = " OR ".join(
    f"(status = '{status}' AND reason IN {listing(reasons)})" for status, reasons in REASONS.items()
)
MAY_START = "status = 'queued' AND held_at IS NULL AND waits_for IS NULL"
"""The queued jobs that a claim may take."""
_SEALED = ("job_id", "plan_id", "phase", "payload_json", "attempt", "created_at", "retry_of", "key")
"""What a job is."""
_LEGAL_MOVE = " OR ".join(
    f"(OLD.status = '{old}' AND NEW.status IN {listing({old, *new})})"
    for old, new in VALID_TRANSITIONS.items()
    if new
)

INDEXES = (
    # What the claim reads: with it a claim costs the same at any number of rows, queued or finished.
    # What is held or waits for another job is not in it: it costs the claim nothing.
    f"CREATE INDEX jobs_queued ON async_jobs (priority DESC, seq) WHERE {MAY_START}",
    "CREATE INDEX jobs_running ON async_jobs (worker_id) WHERE status = 'running'",
    "CREATE INDEX jobs_finished ON async_jobs (finished_at) WHERE finished_at IS NOT NULL",
    "CREATE INDEX jobs_status ON async_jobs (status, seq)",
    "CREATE INDEX jobs_plan ON async_jobs (plan_id, seq)",
    "CREATE INDEX jobs_retry_of ON async_jobs (retry_of) WHERE retry_of IS NOT NULL",
    "CREATE INDEX jobs_waiting ON async_jobs (waits_for) WHERE waits_for IS NOT NULL",
    f"CREATE UNIQUE INDEX one_active_job_per_key ON async_jobs (key) WHERE key IS NOT NULL AND status IN {ACTIVE}",
    f"""CREATE UNIQUE INDEX one_active_job_per_plan ON async_jobs (plan_id)
    WHERE status IN {ACTIVE} AND phase IN {listing(Phase)}""",
    "CREATE INDEX events_job ON job_events (job_id, event_id)",
)

TRIGGERS = (
    """CREATE TRIGGER jobs_begin_queued BEFORE INSERT ON async_jobs WHEN NEW.status <> 'queued'
    BEGIN SELECT RAISE(ABORT, 'a job is inserted as queued only'); END""",
    f"""CREATE TRIGGER jobs_legal_moves BEFORE UPDATE ON async_jobs WHEN NOT ({_LEGAL_MOVE})
    BEGIN SELECT RAISE(ABORT, 'no such move in the state machine of jobs'); END""",
    # "OF": an update that names none of them, as an end, does not pay for comparing them.
    f"""CREATE TRIGGER jobs_keep_identity BEFORE UPDATE OF {", ".join(_SEALED)}, worker_id ON async_jobs WHEN
        {" OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in _SEALED)}
        OR (OLD.worker_id IS NOT NULL AND NEW.worker_id IS NOT OLD.worker_id)
    BEGIN SELECT RAISE(ABORT, 'what a job is, and who owns it, never changes'); END""",
    f"""CREATE TRIGGER jobs_delete_finished BEFORE DELETE ON async_jobs WHEN OLD.status NOT IN {TERMINAL}
    BEGIN SELECT RAISE(ABORT, 'a job is deleted only when it has ended'); END""",
    totals.TRIGGER,
)
