"""Asking a supervisor of this host for something, by the signals that it takes."""

from __future__ import annotations

import signal as signals

from agentsd.errors import ConflictError, NotFoundError
from agentsd.model import Worker
from agentsd.store import workers
from agentsd.store.database import Database
from agentsd.supervisor.takeover import signal_worker


def stop(db: Database, worker_id: str, *, now: bool) -> Worker:
    """See ``Client.stop_worker``."""
    worker = _tell(db, worker_id, signals.SIGTERM)
    if now:  # another signal, because two of the same kind may arrive as one
        _tell(db, worker_id, signals.SIGINT)
    return worker


def drain(db: Database, worker_id: str) -> Worker:
    """See ``Client.drain_worker``."""
    return _tell(db, worker_id, signals.SIGUSR2)


def reload(db: Database, worker_id: str) -> Worker:
    """See ``Client.reload_worker``."""
    return _tell(db, worker_id, signals.SIGUSR1)


def _tell(db: Database, worker_id: str, number: signals.Signals) -> Worker:
    worker = workers.get(db, worker_id)
    if worker is None:
        raise NotFoundError("worker", worker_id)
    if worker.ended_at is not None:
        raise ConflictError(f"Worker {worker_id} has ended already ({worker.end_reason}).")
    signal_worker(worker, number)
    return worker
