"""The wall clock as text."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentsd import clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 10**9)
"""Nanoseconds since the epoch."""


def at(nanoseconds: int) -> str:
    """What the clock says at that moment."""
    with pytest.MonkeyPatch.context() as patch:
        fake = SimpleNamespace(time_ns=lambda: nanoseconds, gmtime=time.gmtime, strftime=time.strftime)
        patch.setattr(clock, "time", fake)
        return clock.utc_now()


@given(MOMENTS)
@example(0)
@example(1_000_000_999)
@example(10**18 - 1)
def test_it_is_the_moment_in_a_fixed_width(moment: int) -> None:
    """RFC 3339, UTC, to the microsecond that has begun."""
    said = at(moment)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", said)
    assert EPOCH + timedelta(microseconds=moment // 1000) == datetime.fromisoformat(said)


@given(MOMENTS, MOMENTS)
def test_it_sorts_as_text(one: int, other: int) -> None:
    """Later is greater, whatever carries over."""
    assert (one // 1000 <= other // 1000) == (at(one) <= at(other))


def test_it_is_now() -> None:
    """Whatever the time zone: between two looks at another clock."""
    before = datetime.now(UTC)
    said = datetime.fromisoformat(clock.utc_now())
    after = datetime.now(UTC)

    assert before - timedelta(microseconds=1) <= said <= after
