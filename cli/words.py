"""Words for people: how long ago, how long it took, and in which colour."""

from __future__ import annotations

from datetime import UTC, datetime

from agentsd.model import AsyncJob, AsyncJobStatus
from agentsd.store.units import format_seconds

STATE_STYLES = {
    "succeeded": "green",
    "applied": "green",
    "ready": "green",
    "alive": "green",
    "ok": "green",
    "failed": "red",
    "dead": "red",
    "lost": "red",
    "error": "red",
    "cancelled": "yellow",
    "silent": "yellow",
    "draining": "yellow",
    "warning": "yellow",
    "running": "cyan",
    "executing": "cyan",
    "applying": "cyan",
    "discarded": "dim",
    "stopped": "dim",
    "waiting": "dim",
    "skipped": "dim",
}


def state_style(_heading: str, cell: str) -> str:
    """The style of a word that names a state; none for any other text."""
    return STATE_STYLES.get(cell, "")


def fact_style(name: str, word: str) -> str:
    """The style of a value's first word where its name says that it is a state."""
    return state_style(name, word) if name in ("status", "state") else ""


def seconds_between(begin: str, end: str | None = None) -> float:
    """Seconds from one RFC 3339 time to another (default: now); never negative, as clocks jump."""
    until = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return max(0.0, (until - datetime.fromisoformat(begin)).total_seconds())


def ago(moment: str | None) -> str:
    """How long ago a time was, in one unit: ``12s``, ``3m``, ``2h``, ``5d``."""
    if moment is None:
        return "-"
    seconds = seconds_between(moment)
    for name, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{name}"
    return f"{int(seconds)}s"


def took(job: AsyncJob) -> str:
    """How long the job ran, or has been running; ``-`` if it did not begin."""
    if job.started_at is None:
        return "-"
    return format_seconds(seconds_between(job.started_at, job.finished_at))


def why(job: AsyncJob, *, abandoned: bool = False) -> str:
    """Why a job ended, why it waits although slots may be free, or that it is to end.

    *abandoned*: nobody runs it any more, although its row says so (see ``cli.worker.health``).
    """
    if abandoned:
        return "worker is dead"
    if job.status is AsyncJobStatus.RUNNING and job.cancel_requested_at is not None:
        return "being cancelled"
    if job.reason is None and job.held_at is not None:
        return "held"
    if job.reason is None and job.waits_for is not None:
        return f"after {job.waits_for}"
    return job.reason or ""


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 job``, ``2 jobs``; a noun whose plural is not made with an s brings it along."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"
