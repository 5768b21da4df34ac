"""Phases that produce much, or what cannot be kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsd import JobContext


def chatty(job: JobContext) -> int:
    """Print ``lines`` lines of ``width`` characters on stdout and a word on stderr."""
    lines, width = job.payload.get("lines", 1000), job.payload.get("width", 80)
    for number in range(lines):
        print(f"{number:08d} ".ljust(width, "x"))
    print("that was all", file=sys.stderr)
    return lines


def big_result(job: JobContext) -> str:
    """Return a string of ``bytes`` bytes: more than a pipe holds, if asked."""
    return "r" * job.payload["bytes"]


def unserialisable(job: JobContext) -> object:
    """Return what JSON cannot say."""
    return {"an object": object()}
