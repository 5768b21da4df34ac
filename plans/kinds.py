"""The kinds of value that a plan may hold, each with the JSON Schema of what it takes.

A schema's pattern is written so that Python and JavaScript, in which editors check it, read it alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import yaml

from agentsd.model import JSON
from agentsd.plans.nodes import Source, items, nearest, tagged

MAX_MINUTES = 365 * 24 * 60
"""A year: whoever writes more means "for ever", and nothing runs for ever."""
MAX_NAME = 200

# What steers a terminal or turns the direction of text: C0, DEL, C1, line and paragraph separators, bidi controls.
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_CONTROL_IN_NAME = re.compile(f"[{_CONTROL}]")
_CONTROL_IN_TEXT = re.compile(f"(?![\\n\\t])[{_CONTROL}]")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value: how it is read, the JSON Schema that says the same, and how people call it."""

    read: Callable[[Source, yaml.Node, str], JSON]
    schema: Mapping[str, JSON]
    words: str


def whole(pattern: str) -> str:
    """*pattern* (that JavaScript reads too) as one for a whole text.

    Not with ``$``: Python lets it match before a last newline.
    """
    return rf"^(?:{pattern})(?![\s\S])"


def read_text(source: Source, node: yaml.Node, what: str) -> str:
    """Text; may be empty."""
    value: str = tagged(source, node, what, {"str"}, "text")
    if "\0" in value:
        raise source.error(node, f"{what} contains a NUL character")
    try:
        # JSON, which is YAML too, writes a character beyond U+FFFF as two escapes. One alone is no character.
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise source.error(node, f"{what} contains half of a surrogate pair") from error


def read_filled(source: Source, node: yaml.Node, what: str) -> str:
    """Text that is not blank."""
    value = read_text(source, node, what)
    if not value.strip():
        raise source.error(node, f"{what} must be text, got nothing")
    return value


def _read_name(source: Source, node: yaml.Node, what: str) -> str:
    """One line of text that may stand in any list on any terminal."""
    value = read_filled(source, node, what)
    if found := _CONTROL_IN_NAME.search(value):
        raise source.error(
            node,
            f"{what} contains the control character {found[0]!r}",
            hint="A name is one line of plain text.",
        )
    if len(value) > MAX_NAME:
        raise source.error(node, f"{what} may have {MAX_NAME} characters, this has {len(value)}")
    return value


def _read_lines(source: Source, node: yaml.Node, what: str) -> str:
    """Text for people, of several lines if need be."""
    value = read_text(source, node, what)
    if found := _CONTROL_IN_TEXT.search(value):
        raise source.error(node, f"{what} contains the control character {found[0]!r}")
    return value


def read_boolean(source: Source, node: yaml.Node, what: str) -> bool:
    """A truth value."""
    value: bool = tagged(source, node, what, {"bool"}, "true or false")
    return value


def read_minutes(source: Source, node: yaml.Node, what: str) -> float:
    """A duration, written in minutes and returned in seconds. Never zero, never infinite."""
    expected = f"a number of minutes greater than 0 and at most {MAX_MINUTES}"
    value = float(tagged(source, node, what, {"int", "float"}, expected))
    if math.isnan(value) or not 0 < value <= MAX_MINUTES:
        raise source.wrong_type(node, what, expected)
    return value * 60


def integer(minimum: int, maximum: int) -> Kind:
    """A whole number from *minimum* to *maximum*."""
    expected = f"a whole number from {minimum} to {maximum}"

    def read(source: Source, node: yaml.Node, what: str) -> int:
        value: int = tagged(source, node, what, {"int"}, expected)
        if not minimum <= value <= maximum:
            raise source.wrong_type(node, what, expected)
        return value

    return Kind(read, {"type": "integer", "minimum": minimum, "maximum": maximum}, expected)


def choice(*words: str) -> Kind:
    """One of a few words."""

    def read(source: Source, node: yaml.Node, what: str) -> str:
        value = read_text(source, node, what)
        if value not in words:
            raise source.error(node, f"{what} cannot be {value!r}", hint=nearest(value, words))
        return value

    return Kind(read, {"enum": list(words)}, " or ".join(f"`{word}`" for word in words))


def list_of(kind: Kind) -> Kind:
    """A list whose items are all of *kind*."""

    def read(source: Source, node: yaml.Node, what: str) -> list[JSON]:
        return [kind.read(source, item, f"an item of {what}") for item in items(source, node, what)]

    return Kind(read, {"type": "array", "items": dict(kind.schema)}, f"a list: {kind.words}")


_NO_NUL = r"[^\u0000]*"
_IN_NAME = rf"[^{_CONTROL}]*"
NAME_SCHEMA = {"type": "string", "maxLength": MAX_NAME, "pattern": whole(rf"(?=[\s\S]*\S){_IN_NAME}")}
TEXT_SCHEMA = {"type": "string", "pattern": whole(_NO_NUL)}

TEXT = Kind(read_text, TEXT_SCHEMA, "text")
NAME = Kind(_read_name, NAME_SCHEMA, f"one line of text, at most {MAX_NAME} characters")
LINES = Kind(_read_lines, {"type": "string", "pattern": whole(rf"(?:[^{_CONTROL}]|[\n\t])*")}, "text")
BOOLEAN = Kind(read_boolean, {"type": "boolean"}, "`true` or `false`")
MINUTES = Kind(
    read_minutes,
    {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_MINUTES},
    "minutes, such as 10 or 0.5",
)
