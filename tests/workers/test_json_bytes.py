"""JSON of job processes: what orjson would write, mostly without it."""

from __future__ import annotations

import math
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import IntEnum, StrEnum
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentsd.workers import json_bytes
from agentsd.workers.json_bytes import dumps

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda below: (
        st.lists(below)
        | st.lists(below).map(tuple)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), below)
    ),
)


@dataclass
class Point:
    """What only orjson knows."""

    x: int


class Number(IntEnum):
    """The same."""

    ONE = 1


class Word(StrEnum):
    """The same, also as a key."""

    A = "a"


@pytest.fixture(scope="module", autouse=True)
def unloaded() -> Iterator[None]:
    """As in a job process, which has not loaded orjson; this one has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_bytes, "sys", SimpleNamespace(modules={}))
        yield


@pytest.fixture
def unloadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor can it."""
    monkeypatch.setitem(sys.modules, "orjson", None)


def nested(levels: int) -> list[Any]:
    """As many lists in each other."""
    made: list[Any] = []
    for _ in range(levels - 1):
        made = [made]
    return made


@given(PLAIN)
@example(1e16)
@example(-0.0)
@example(5e-324)
@example({'\0\x1f\x7f\u2028\U0001f600"\\/': [(), {}, [[]], -(2**63), 2**64 - 1]})
def test_plain_values_are_what_orjson_would_write(value: Any) -> None:
    """Read again, to the type and the sign; and orjson is not asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "orjson", None)
        written = dumps(value)

    assert repr(orjson.loads(orjson.dumps(value))) == repr(orjson.loads(written))


@pytest.mark.parametrize(
    "value",
    [
        date(2026, 1, 31), {"at": datetime(2026, 1, 31, tzinfo=UTC)}, [Point(1)], uuid.UUID(int=1), math.nan, [math.inf],
        {"x": -math.inf}, Number.ONE, {"a": Word.A}, [*range(200_000)],
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_only_orjson_knows_is_written_by_it(value: Any) -> None:
    """Bytes for bytes."""
    assert orjson.dumps(value) == dumps(value)


def _holds_itself() -> list[Any]:
    held: list[Any] = []
    held += [held, held]
    return held


@pytest.mark.parametrize(
    "value",
    [
        2**64, [-(2**63) - 1], {1: "a"}, {"a": {None: 1}}, {Word.A: 1}, "\ud800", {"a": ["x\udfff"]}, {"\ud800": 1}, {1, 2}, b"x",
        object(), nested(400), {"a": nested(400)}, _holds_itself(),  # where deep begins is a matter of its version
    ],
    ids=[
        "large", "small", "number as key", "None as key", "enum as key", "surrogate", "surrogate below", "surrogate as key",
        "set", "bytes", "object", "deep", "deep below", "itself",
    ],
)  # fmt: skip
def test_what_orjson_refuses_is_refused(value: Any) -> None:
    """Also what the standard library would write: a supervisor could neither read it nor pass it on."""
    with pytest.raises(TypeError):
        orjson.dumps(value)
    with pytest.raises(TypeError):
        dumps(value)


def test_the_deepest_that_can_be_passed_on_is_taken() -> None:
    """As deep as orjson goes."""
    assert orjson.dumps(nested(254)) == dumps(nested(254))


@pytest.mark.usefixtures("unloadable")
def test_where_orjson_cannot_be_loaded_it_is_said() -> None:
    """A TypeError like any other value that is no JSON: the job fails, with words."""
    with pytest.raises(
        TypeError, match="it is not plain, and orjson, which may know how to write it, cannot"
    ):
        dumps(date(2026, 1, 31))


@pytest.mark.parametrize(("value", "loads"), [("{'a': [1, 2.5, None, 'x']}", False), ("float('nan')", True)])
def test_orjson_is_loaded_only_where_it_is_needed(value: str, loads: bool) -> None:
    """In an interpreter that has nothing yet."""
    program = f"import sys\nfrom agentsd.workers.json_bytes import dumps\ndumps({value})\nprint('orjson' in sys.modules)"
    said = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)

    assert f"{loads}\n" == said.stdout
