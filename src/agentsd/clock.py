"""The wall clock, for people; never for timers. Loads nothing, as every job process has it."""

from __future__ import annotations

import time

_second = (-1, "")
"""The last one that was asked for, and its text: most of the work, and there are many times in a second."""


def utc_now() -> str:
    """The time now as RFC 3339 UTC of fixed width (``2026-01-31T09:00:00.123456Z``), which sorts as text."""
    global _second  # noqa: PLW0603
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    known, text = _second
    if known != seconds:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        _second = (seconds, text)
    return f"{text}.{nanoseconds // 1000:06d}Z"
