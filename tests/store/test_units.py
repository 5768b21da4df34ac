"""Seconds and bytes, as people write them and as they are shown to people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsd.store.units import format_bytes, format_seconds, parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (10, 10.0),
        (0.5, 0.5),
        ("10", 10.0),
        (" 10 s ", 10.0),
        ("500 ms", 0.5),
        (".5s", 0.5),
        ("5m", 300.0),
        ("5 min", 300.0),
        ("1h 30m", 5400.0),
        ("1h30m", 5400.0),
        ("7 D", 604800.0),
        ("2w", 1209600.0),
    ],
)
def test_spans_with_and_without_units(given: object, seconds: float) -> None:
    """A span is seconds as a number, or any sum of numbers with units."""
    assert seconds == pytest.approx(parse_seconds(given))  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize(
    "given", ["", "ten", "10 parsecs", "-1", -1, "1h x", "h", True, None, [], "nan", float("inf")]
)
def test_what_is_no_span_says_what_would_be(given: object) -> None:
    """The error of a bad span is the sentence of what was expected, with examples."""
    with pytest.raises(ValueError, match=r'seconds as a number, or with a unit such as "500 ms"'):
        parse_seconds(given)


@pytest.mark.parametrize(
    ("given", "size"),
    [(1024, 1024), ("64 MiB", 64 * 2**20), ("1.5 kib", 1536), ("2 GB", 2 * 10**9), ("100", 100), ("3b", 3)],
)
def test_sizes_with_and_without_units(given: object, size: int) -> None:
    """KiB counts by 1024, kB by 1000, and letters may be of either case."""
    assert size == parse_bytes(given)


@pytest.mark.parametrize("given", ["64 MIBS", "-3 MB", False, {}])
def test_what_is_no_size_says_what_would_be(given: object) -> None:
    """The error of a bad size is the sentence of what was expected, with examples."""
    with pytest.raises(ValueError, match=r'bytes as a number, or with a unit such as "512 KiB"'):
        parse_bytes(given)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (9.5, "9.5 s"),
        (42.4, "42 s"),
        (185, "3m 05s"),
        (120, "2m"),
        (7800, "2h 10m"),
        (604800, "7d"),
        (90000, "1d 01h"),
    ],
)
def test_spans_are_shown_in_at_most_two_units(seconds: float, text: str) -> None:
    """A span is shown as short as it can be said."""
    assert text == format_seconds(seconds)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (64 * 2**20, "64.0 MiB"), (2**42, "4.0 TiB")],
)
def test_sizes_are_shown_in_the_unit_that_fits(size: int, text: str) -> None:
    """A size is shown with the largest unit that leaves at least one."""
    assert text == format_bytes(size)


@given(st.integers(min_value=10, max_value=10**8))
def test_a_shown_span_reads_back_within_its_smallest_unit(seconds: int) -> None:
    """What is shown can be typed in again, and is wrong by less than the second unit shown."""
    shown = format_seconds(seconds)

    assert abs(parse_seconds(shown) - seconds) <= seconds / 24
