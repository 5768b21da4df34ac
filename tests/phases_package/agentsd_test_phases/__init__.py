"""Phases for tests: each does one thing, well or badly, as its payload says.

Kept light: a job process imports the module of its phase, and benchmarks time that.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which would be loaded with it
if TYPE_CHECKING:
    from typing import Any

    from agentsd import JobContext


def options(job: JobContext) -> dict[str, Any]:
    """The payload of a phase that takes options; none given is an empty one."""
    given: dict[str, Any] | None = job.payload
    return given or {}
