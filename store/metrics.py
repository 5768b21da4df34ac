"""Numbers for monitoring: the queue as it is, and what ended within a window of time. Reads only, by indexes."""

from __future__ import annotations

from typing import NamedTuple

from agentsd.model import PAYLOAD_VERSION
from agentsd.store.database import Database

BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
"""Upper bounds of the histograms, in seconds."""

_QUEUE = """SELECT phase, CASE WHEN held_at IS NOT NULL THEN 'held' WHEN waits_for IS NOT NULL THEN 'after'
    WHEN schema_version > ? THEN 'newer' ELSE 'ready' END AS state, count(*), min(created_at)
FROM async_jobs WHERE status = 'queued' GROUP BY phase, state"""
_RUNNING = "SELECT phase, count(*) FROM async_jobs WHERE status = 'running' GROUP BY phase"
_ENDED = "SELECT phase, status, reason, count(*) FROM async_jobs WHERE finished_at >= ? GROUP BY phase, status, reason"
_SPAN = """SELECT phase, count(*), total(span), {buckets} FROM (
    SELECT phase, max(0.0, (julianday({until}) - julianday({begin})) * 86400.0) AS span FROM async_jobs
    WHERE finished_at >= ? AND started_at IS NOT NULL) GROUP BY phase"""
_ENQUEUED = "SELECT seq FROM sqlite_sequence WHERE name = 'async_jobs'"


class Waiting(NamedTuple):
    """Queued jobs of one phase. ``state``: ``ready``, ``held``, ``after`` (another job), ``newer`` (worker needed)."""

    phase: str
    state: str
    number: int
    oldest: str


class Histogram(NamedTuple):
    """How long something took, in one phase. ``within``: how many took at most each of :data:`BUCKETS`."""

    phase: str
    number: int
    seconds: float
    within: tuple[int, ...]


def waiting(db: Database) -> list[Waiting]:
    """The queue by phase and by what keeps the jobs."""
    return [Waiting(*row) for row in db.read(_QUEUE, (PAYLOAD_VERSION,))]


def running(db: Database) -> dict[str, int]:
    """How many jobs of each phase run."""
    return dict(db.read(_RUNNING))


def ended(db: Database, since: str) -> list[tuple[str, str, str, int]]:
    """(phase, status, reason, number) of the jobs that ended at the time *since* or later."""
    return db.read(_ENDED, (since,))


def waits(db: Database, since: str) -> list[Histogram]:
    """From the queueing of a job to its start, of those that ended at the time *since* or later."""
    return _spans(db, "created_at", "started_at", since)


def runs(db: Database, since: str) -> list[Histogram]:
    """From the start of a job to its end, of those that ended at the time *since* or later."""
    return _spans(db, "started_at", "finished_at", since)


def _spans(db: Database, begin: str, until: str, since: str) -> list[Histogram]:
    buckets = ", ".join(f"sum(span <= {bound})" for bound in BUCKETS)
    rows = db.read(_SPAN.format(buckets=buckets, begin=begin, until=until), (since,))
    return [Histogram(row[0], row[1], row[2], tuple(row[3:])) for row in rows]


def enqueued(db: Database) -> int:
    """How many jobs were ever queued in this store; pruning does not lower it."""
    found = db.read(_ENQUEUED)
    return found[0][0] if found else 0
