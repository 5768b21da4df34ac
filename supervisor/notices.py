"""What a supervisor has to tell, as values. The code emits them; one place (the command line) words them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentsd.model import JSON, AsyncJob


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened. ``event`` is its stable name; ``facts`` are JSON values."""

    event: str
    facts: dict[str, JSON]
    level: str = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""


Listener = Callable[[Notice], None]


def silent(_notice: Notice) -> None:
    """The listener that says nothing."""


def about(event: str, job: AsyncJob, level: str = "info", **facts: JSON) -> Notice:
    """A notice about a job."""
    return Notice(event, {"job_id": job.job_id, "plan_id": job.plan_id, "phase": job.phase, **facts}, level)
