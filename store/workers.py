"""``workers``: one row for each supervisor, its heartbeat and its identity."""

from __future__ import annotations

from dataclasses import fields

from agentsd.model import Worker
from agentsd.store.database import Database
from agentsd.store.transaction import Transaction

_COLUMNS = tuple(field.name for field in fields(Worker))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM workers"
_INSERT = f"INSERT INTO workers ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"


def _worker(row: tuple[object, ...]) -> Worker:
    return Worker(**dict(zip(_COLUMNS, row, strict=True)))  # pyright: ignore[reportArgumentType]


def register(tx: Transaction, worker: Worker) -> None:
    """Write the row of a supervisor that starts."""
    tx.execute(_INSERT, tuple(getattr(worker, column) for column in _COLUMNS))


def beat(tx: Transaction, worker_id: str, *, running: int, processed: int, state: str) -> bool:
    """One heartbeat of a supervisor, and what it runs and has done.

    Returns False if there is no live row: others have declared this supervisor lost.
    """
    changed = tx.change(
        """UPDATE workers SET beat = beat + 1, last_heartbeat = ?, running = ?, jobs_processed = ?, state = ?
        WHERE worker_id = ? AND ended_at IS NULL""",
        (tx.now, running, processed, state, worker_id),
    )
    return bool(changed)


def beat_for_jobs(tx: Transaction, worker_id: str) -> None:
    """Note in all jobs that a supervisor runs that it lives."""
    tx.change(
        "UPDATE async_jobs SET last_heartbeat = ? WHERE worker_id = ? AND status = 'running'",
        (tx.now, worker_id),
    )


def is_live(tx: Transaction, worker_id: str) -> bool:
    """Whether nobody has closed the row of a supervisor."""
    return bool(tx.execute("SELECT 1 FROM workers WHERE worker_id = ? AND ended_at IS NULL", (worker_id,)))


def beats(tx: Transaction, worker_id: str) -> int | None:
    """How often a supervisor has beaten; None if it has no row."""
    found = tx.execute("SELECT beat FROM workers WHERE worker_id = ?", (worker_id,))
    return found[0][0] if found else None


def set_spawner(tx: Transaction, worker_id: str, pid: int) -> None:
    """Note the pid of a supervisor's spawner, for diagnostics."""
    tx.change("UPDATE workers SET spawner_pid = ? WHERE worker_id = ?", (pid, worker_id))


def set_limit(tx: Transaction, worker_id: str, max_workers: int, ttl: float) -> None:
    """Note the limits of a supervisor that has read its configuration again."""
    tx.change(
        "UPDATE workers SET max_workers = ?, ttl = ? WHERE worker_id = ?", (max_workers, ttl, worker_id)
    )


def end(tx: Transaction, worker_id: str, *, state: str, reason: str, processed: int | None = None) -> bool:
    """Close the row of a supervisor (``stopped`` by itself, ``lost`` by others). False if it was closed."""
    return bool(
        tx.change(
            """UPDATE workers SET state = ?, end_reason = ?, ended_at = ?, running = 0,
            jobs_processed = coalesce(?, jobs_processed) WHERE worker_id = ? AND ended_at IS NULL""",
            (state, reason, tx.now, processed, worker_id),
        )
    )


def get(db: Database, worker_id: str) -> Worker | None:
    """One supervisor's row, or None."""
    found = db.read(f"{_SELECT} WHERE worker_id = ?", (worker_id,))
    return _worker(found[0]) if found else None


def list_workers(db: Database, *, include_ended: bool = False) -> list[Worker]:
    """Supervisors, newest first; those that ended only on request."""
    where = "" if include_ended else " WHERE ended_at IS NULL"
    return [_worker(row) for row in db.read(f"{_SELECT}{where} ORDER BY worker_id DESC")]


def sockets(tx: Transaction) -> list[str]:
    """Where to wake the supervisors that have not ended. Those that come later find what is queued by themselves."""
    found = tx.execute("SELECT socket_path FROM workers WHERE ended_at IS NULL AND socket_path IS NOT NULL")
    return [path for (path,) in found]


def prune(tx: Transaction, before: str) -> int:
    """Delete rows of supervisors that ended before the time *before*; returns how many."""
    return tx.change("DELETE FROM workers WHERE ended_at < ?", (before,))
