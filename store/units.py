"""Seconds and bytes as people write them: ``10``, ``"10 s"``, ``"1h 30m"``, ``"64 MiB"``.

Each parser takes what a TOML file, an environment variable or an option may hold and raises
ValueError whose message says what was expected; whoever calls knows where the value came from and
adds that.
"""

from __future__ import annotations

import math
import re

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}

SECONDS_EXPECTED = 'seconds as a number, or with a unit such as "500 ms", "10 s", "5 m", "1h 30m" or "7 d"'
BYTES_EXPECTED = 'bytes as a number, or with a unit such as "512 KiB", "64 MiB" or "2 GB"'

# Compiled on first use, which most commands do not come to.
_PLAIN = r"[+-]?(\d+\.?\d*|\.\d+)"
_WITH_UNIT = r"(\d+\.?\d*|\.\d+)\s*([A-Za-z]+)\s*"


def parse_seconds(value: object) -> float:
    """A span of time in seconds, from a number or text; ValueError says what was expected."""
    return _parse(value, SECONDS, SECONDS_EXPECTED)


def parse_bytes(value: object) -> int:
    """A size in whole bytes, from a number or text; ValueError says what was expected."""
    return round(_parse(value, BYTES, BYTES_EXPECTED))


def _parse(value: object, units: dict[str, float] | dict[str, int], expected: str) -> float:
    number = float("nan")
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    elif isinstance(value, str):
        number = _parse_text(value.strip(), units)
    if not math.isfinite(number) or number < 0:
        raise ValueError(expected)
    return number


def _parse_text(text: str, units: dict[str, float] | dict[str, int]) -> float:
    if re.fullmatch(_PLAIN, text):
        return float(text)
    total, end = 0.0, 0
    with_unit = re.compile(_WITH_UNIT)
    while match := with_unit.match(text, end):
        unit = match[2].lower()
        if unit not in units:
            return math.nan
        total += float(match[1]) * units[unit]
        end = match.end()
    return total if text and end == len(text) else math.nan


def format_seconds(seconds: float) -> str:
    """A span of time for people, in at most two units: ``0.25 s``, ``42 s``, ``3m 05s``, ``2h 10m``, ``7d``."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds the fraction matters
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
    whole = round(seconds)
    for name, size, lesser, lesser_size in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // lesser_size
            return f"{whole // size}{name}" + (f" {rest:02d}{lesser}" if rest else "")
    return f"{whole} s"


def format_bytes(size: float) -> str:
    """A size for people: ``512 B``, ``1.5 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:  # noqa: PLR2004 - the step between two units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
