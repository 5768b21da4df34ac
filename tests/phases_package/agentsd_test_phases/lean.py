"""Phases that do next to nothing, and load as little: what is measured with them is agentsd."""

from __future__ import annotations

import time

TYPE_CHECKING = False  # as in typing, which would be loaded with it
if TYPE_CHECKING:
    from agentsd import JobContext


def noop(job: JobContext) -> None:
    """Do nothing."""


def stamp(job: JobContext) -> dict[str, int]:
    """Return when the handler's first line ran, on the machine-wide monotonic clock (ns)."""
    return {"monotonic_ns": time.monotonic_ns()}


def sleep(job: JobContext) -> str:
    """Sleep for ``seconds`` without ever looking at the token."""
    time.sleep(job.payload["seconds"])  # the work that is measured: it waits for nothing else
    return "slept"
