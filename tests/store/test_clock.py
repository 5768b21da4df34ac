"""The time as the store writes it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from agentsd.clock import utc_now

SECOND = 10**9


def test_times_are_of_their_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked for in one, and after the clock was set back; they sort as text."""
    times = [1_769_850_000 * SECOND + more for more in (0, 999, 1_000, SECOND - 1, SECOND, 90 * SECOND, 0)]
    texts: list[str] = []
    for each in times:
        monkeypatch.setattr(time, "time_ns", lambda now=each: now)
        texts.append(utc_now())
    monkeypatch.undo()

    assert texts == [
        datetime.fromtimestamp(each // SECOND, UTC)
        .replace(microsecond=each % SECOND // 1000)
        .strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for each in times
    ]
    assert sorted(texts[:-1]) == texts[:-1]
