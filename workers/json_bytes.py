"""A value as JSON, for a job process: what orjson would write, mostly without loading it.

orjson, with what it imports, doubles the memory that each fork has to copy, and loading it in a job process takes 8 ms. So
plain values go through the standard library, and what only orjson knows (dates, data classes, UUIDs, NaN as null) or
refuses (large integers, keys that are no text, what is nested too deep) goes to orjson.
"""

from __future__ import annotations

import sys
from json import JSONEncoder

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from typing import Any

_MOST_VALUES = 100_000
"""From there on it is quicker to load orjson than to look at each of them."""
_DEEPEST = 254
"""Containers in each other that orjson takes; a supervisor could not pass on what has more."""
_LEAST_INT, _GREATEST_INT = -(2**63), 2**64 - 1
_encoder = JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))


def dumps(value: Any) -> bytes:
    """*value* as UTF-8 JSON. Raises TypeError if it is none."""
    if "orjson" not in sys.modules and _is_plain(value):
        try:
            return _encoder.encode(value).encode()
        except (ValueError, RecursionError):  # NaN, a lone surrogate; or a thread has changed it meanwhile
            pass
    try:
        import orjson  # noqa: PLC0415 - see above
    except (ImportError, OSError) as error:  # no descriptor left, or no memory
        raise TypeError(
            f"it is not plain, and orjson, which may know how to write it, cannot be loaded: {error}"
        ) from error
    return orjson.dumps(value)


def _is_plain(value: Any) -> bool:
    """Whether the standard library writes *value* as orjson does."""
    level: list[Any] = [value]
    looked_at = 0
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for each in level:
            kind = type(each)  # pyright: ignore[reportUnknownVariableType]
            if kind is list or kind is tuple:
                below.extend(each)
            elif kind is dict and {*map(type, each)} <= {str}:
                below.extend(each.values())
            elif not _is_plain_scalar(each):
                return False
            if looked_at + len(below) > _MOST_VALUES:
                return False
        if not below:
            return True
        looked_at += len(below)
        level = below
    return False  # or a list that holds itself


def _is_plain_scalar(value: Any) -> bool:
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is int:
        return _LEAST_INT <= value <= _GREATEST_INT
    return value is None or kind is str or kind is bool or kind is float
