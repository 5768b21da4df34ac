"""A value as JSON, for a job process: what orjson would write, mostly without loading it.

orjson, with what it imports, doubles the memory that each fork has to copy, and loading it in a job process takes 8 ms. So
plain values go through the standard library, and what only orjson knows (dates, data classes, UUIDs, NaN as null) or
refuses (large integers, keys that are no text) goes to orjson.
"""

from __future__ import annotations

import sys
from json import JSONEncoder

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from typing import Any

_MOST_VALUES = 100_000
"""From there on it is quicker to load orjson than to look at each of them."""
_LEAST_INT, _GREATEST_INT = -(2**63), 2**64 - 1
_encoder = JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))


def dumps(value: Any) -> bytes:
    """*value* as UTF-8 JSON. Raises TypeError if it is none."""
    if "orjson" not in sys.modules and _is_plain(value):
        try:
            return _encoder.encode(value).encode()
        except (UnicodeEncodeError, RecursionError):  # a lone surrogate; deeper than orjson takes, too
            pass
    import orjson  # noqa: PLC0415 - see above

    return orjson.dumps(value)


def _is_plain(value: Any) -> bool:
    """Whether the standard library writes *value* as orjson does."""
    looked_at, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        kind = type(each)
        looked_at += 1
        if each is None or kind is str or kind is bool:
            continue
        if kind is int:
            if not _LEAST_INT <= each <= _GREATEST_INT:
                return False
        elif kind is float:
            if each - each != 0:  # neither NaN nor an infinity is JSON
                return False
        elif kind is dict:
            for key, below in each.items():
                if type(key) is not str:
                    return False
                waiting.append(below)
        elif kind is list or kind is tuple:
            waiting.extend(each)
        else:
            return False
        if looked_at + len(waiting) > _MOST_VALUES:  # a list that holds itself, for one
            return False
    return True
