"""The wall clock, for people; never for timers. Loads nothing, as every job process has it."""

from __future__ import annotations

import time


def utc_now() -> str:
    """The time now as RFC 3339 UTC of fixed width (``2026-01-31T09:00:00.123456Z``), which sorts as text."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds // 1000:06d}Z"
