"""Phases that behave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentsd import JobContext

POLL = 0.005
"""Seconds between two looks at a file that a test creates."""


def echo(job: JobContext) -> object:
    """Return the payload."""
    return job.payload


def cooperative(job: JobContext) -> str:
    """Wait for ``seconds`` and stop as soon as the token says so."""
    job.token.wait(job.payload.get("seconds", 600))
    job.token.raise_if_set()
    return "waited"


def gate(job: JobContext) -> str:
    """Create ``entered`` (if given), then wait until the file ``gate`` exists or the token is set."""
    if "entered" in job.payload:
        Path(job.payload["entered"]).touch()
    while not Path(job.payload["gate"]).exists():
        job.token.wait(POLL)
        job.token.raise_if_set()
    return "passed"


def progress(job: JobContext) -> int:
    """Report ``count`` values of progress, then wait at the file ``gate`` if one is given."""
    count = job.payload["count"]
    for number in range(1, count + 1):
        job.progress({"current": number, "total": count})
    if "gate" in job.payload:
        gate(job)
    return count


def tool(job: JobContext) -> dict[str, Any]:
    """Run ``argv`` as a tool under the token and return how it ended."""
    ended = job.run(job.payload["argv"], timeout=job.payload.get("timeout"))
    return {
        "exit_code": ended.exit_code,
        "signal": ended.signal,
        "timed_out": ended.timed_out,
        "survivors": ended.survivors,
    }
