"""Numbers for monitoring: the queue as it is, what ended within a window, what ended ever. Reads only, by indexes."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from agentsd.model import PAYLOAD_VERSION
from agentsd.store.database import Database
from agentsd.store.schema import ACTIVE
from agentsd.store.totals import BEYOND, BUCKETS, NEVER

Span = Literal["wait", "run"]

_QUEUE = """SELECT phase, CASE WHEN held_at IS NOT NULL THEN 'held' WHEN waits_for IS NOT NULL THEN 'after'
    WHEN schema_version > ? THEN 'newer' ELSE 'ready' END AS state, count(*), min(created_at)
FROM async_jobs WHERE status = 'queued' GROUP BY phase, state"""
_RUNNING = "SELECT phase, count(*) FROM async_jobs WHERE status = 'running' GROUP BY phase"
_ACTIVE = f"SELECT DISTINCT phase FROM async_jobs WHERE status IN {ACTIVE}"
_ENDED = "SELECT phase, status, reason, count(*) FROM async_jobs WHERE finished_at >= ? GROUP BY phase, status, reason"
_FINISHED = "SELECT phase, status, reason, sum(number) FROM job_totals GROUP BY phase, status, reason"
_SPANS = """SELECT phase, {span}_le, sum(number), total({span}_s) FROM job_totals WHERE {span}_le <> ?
GROUP BY phase, {span}_le"""
_ENQUEUED = "SELECT seq FROM sqlite_sequence WHERE name = 'async_jobs'"


class Waiting(NamedTuple):
    """Queued jobs of one phase. ``state``: ``ready``, ``held``, ``after`` (another job), ``newer`` (worker needed)."""

    phase: str
    state: str
    number: int
    oldest: str


@dataclass(slots=True)
class Histogram:
    """How long something took, in seconds. ``number`` counts by the least bound that it did not exceed."""

    seconds: float = 0.0
    number: Counter[str] = field(default_factory=Counter[str])

    @property
    def within(self) -> list[int]:
        """For each of ``totals.BUCKETS`` how many took no longer; at last, how many there are."""
        bounds = (*BUCKETS, float(BEYOND))
        return [sum(number for label, number in self.number.items() if float(label) <= b) for b in bounds]


def waiting(db: Database) -> list[Waiting]:
    """The queue by phase and by what keeps the jobs."""
    return [Waiting(*row) for row in db.read(_QUEUE, (PAYLOAD_VERSION,))]


def running(db: Database) -> dict[str, int]:
    """How many jobs of each phase run."""
    return dict(db.read(_RUNNING))


def active_phases(db: Database) -> list[str]:
    """The phases of the jobs that have not ended."""
    return [phase for (phase,) in db.read(_ACTIVE)]


def ended(db: Database, since: str) -> list[tuple[str, str, str, int]]:
    """(phase, status, reason, number) of the jobs that ended at the time *since* or later."""
    return db.read(_ENDED, (since,))


def finished(db: Database) -> list[tuple[str, str, str, int]]:
    """(phase, status, reason, number) of all jobs that ever ended in this store; pruning does not lower it."""
    return db.read(_FINISHED)


def spans(db: Database, span: Span) -> dict[str, Histogram]:
    """By phase, how long all that ever began in this store did ``wait`` (until its start) or ``run`` (until its end)."""
    found: defaultdict[str, Histogram] = defaultdict(Histogram)
    for phase, label, number, seconds in db.read(_SPANS.format(span=span), (NEVER,)):
        found[phase].seconds += seconds
        found[phase].number[label] += number
    return found


def enqueued(db: Database) -> int:
    """How many jobs were ever queued in this store; pruning does not lower it."""
    found = db.read(_ENQUEUED)
    return found[0][0] if found else 0
