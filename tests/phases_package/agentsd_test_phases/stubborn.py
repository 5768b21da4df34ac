"""Phases that cannot be talked into stopping."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agentsd_test_phases import options

if TYPE_CHECKING:
    from agentsd import JobContext


def _enter(job: JobContext) -> None:
    """Create the file ``entered``, if the payload names one, so that a test knows we got here."""
    if "entered" in options(job):
        Path(options(job)["entered"]).touch()


def ignore_term(job: JobContext) -> None:
    """Ignore SIGTERM and sleep, however often something interrupts it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _enter(job)
    while True:
        time.sleep(600)


def hang_native(job: JobContext) -> int:
    """One C call that holds the GIL for many minutes: no Python handler can run meanwhile."""
    _enter(job)
    return sum(range(10**12))
