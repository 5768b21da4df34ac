"""Waiting for something to happen, with a deadline and never for the clock alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = float(os.environ.get("AGENTSD_TEST_PATIENCE", "1"))
"""Multiplies every deadline; raise it on a slow machine."""

LOOK_EVERY = 0.01
"""Seconds between two looks."""


def eventually(look: Callable[[], T | None], seconds: float, what: str | Callable[[], str]) -> T:
    """The first truthy value of *look* within *seconds*; else an AssertionError that says *what*."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            words = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {seconds:g} s: {words}")
        time.sleep(LOOK_EVERY)
