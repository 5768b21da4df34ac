"""A YAML file as nodes that know their line, and the kinds of value that a plan may hold.

Values are read from nodes rather than from loaded objects, because an error has to name its line.
Nothing is constructed but scalars, so no tag in the file can make Python do anything.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from agentsd.errors import InvalidInputError, PlanFileError
from agentsd.model import JSON

MAX_FILE_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 10_000
"""Bounds on ``with:`` values; without them a few YAML aliases expand to gigabytes."""
MAX_INTEGER = 2**63 - 1

_SHOWN = 40
_TAG = "tag:yaml.org,2002:"
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "a truth value",
    "null": "nothing",
    "timestamp": "a date",
    "map": "a mapping",
    "seq": "a list",
}


@dataclass(frozen=True, slots=True)
class Source:
    """The file that is being read; makes errors that point into it."""

    path: str

    def error(self, node: yaml.Node, problem: str, *, hint: str = "") -> PlanFileError:
        """An error at *node*'s line."""
        return PlanFileError(self.path, int(node.start_mark.line) + 1, problem, hint=hint)

    def wrong_type(self, node: yaml.Node, what: str, expected: str, *, hint: str = "") -> PlanFileError:
        """An error that says what was expected and what is there."""
        if not hint and expected.startswith("text") and isinstance(node, yaml.ScalarNode):
            hint = f'Quote it: "{node.value}".'
        return self.error(node, f"{what} must be {expected}, got {describe(node)}", hint=hint)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value: how it is read, and the JSON Schema that says the same."""

    read: Callable[[Source, yaml.Node, str], JSON]
    schema: Mapping[str, JSON]


def compose(path: Path) -> tuple[Source, yaml.Node, bytes]:
    """Parse *path* into one node tree; also its bytes. Raises PlanFileError, InvalidInputError."""
    source = Source(str(path))
    try:
        data = path.read_bytes()
    except OSError as error:
        problem = error.strerror or str(error)
        raise InvalidInputError(
            "plan file", expected="a readable file", got=str(path), hint=problem
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise PlanFileError(
            source.path, 1, f"a plan file may have {MAX_FILE_BYTES} bytes, this has {len(data)}"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PlanFileError(source.path, line, "a plan file must be UTF-8 text") from error
    return source, _parse(source, text), data


def _parse(source: Source, text: str) -> yaml.Node:
    try:
        node = yaml.SafeLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PlanFileError(source.path, line, f"not valid YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise PlanFileError(source.path, line, f"not valid YAML: {error.reason}") from error
    except RecursionError as error:
        raise PlanFileError(source.path, 1, "not valid YAML: nested too deeply") from error
    if node is None:
        raise PlanFileError(source.path, 1, "the plan is empty", hint="It needs at least `name` and `steps`.")
    return node


def describe(node: yaml.Node) -> str:
    """What a person sees at *node*: a short value and its kind."""
    kind = _KINDS.get(node.tag.removeprefix(_TAG), f"a value tagged {node.tag}")
    if isinstance(node, yaml.ScalarNode) and node.value:
        shown = node.value if len(node.value) <= _SHOWN else node.value[:_SHOWN] + "…"
        return f"{shown!r} ({kind})"
    return kind


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint: the known word that *word* was probably meant to be, else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word.replace("_", "-").lower(), names, n=1, cutoff=0.6)
    return f"Did you mean `{close[0]}`?" if close else f"Valid: {', '.join(names)}."


def entries(source: Source, node: yaml.Node, what: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """The (key, key node, value node) of a mapping; a key is text and stands once."""
    if not isinstance(node, yaml.MappingNode):
        raise source.wrong_type(node, what, "a mapping of keys to values")
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        key = _tagged(source, key_node, f"a key of {what}", {"str"}, "text")
        if key in seen:
            raise source.error(
                key_node, f"`{key}` stands twice in {what}", hint=f"First in line {seen[key]}."
            )
        seen[key] = int(key_node.start_mark.line) + 1
        yield key, key_node, value_node


def items(source: Source, node: yaml.Node, what: str) -> list[yaml.Node]:
    """The nodes of a list."""
    if not isinstance(node, yaml.SequenceNode):
        raise source.wrong_type(node, what, "a list")
    return list(node.value)


def scalar(node: yaml.Node) -> JSON:
    """The Python value of a plain scalar. ValueError if it does not have the form of its tag."""
    constructor = cast("Any", yaml.constructor.SafeConstructor())  # its stub leaves the types out
    return constructor.construct_object(node)


def _tagged(source: Source, node: yaml.Node, what: str, kinds: set[str], expected: str) -> JSON:
    """The Python value of a scalar whose YAML type is one of *kinds*."""
    if not isinstance(node, yaml.ScalarNode) or node.tag.removeprefix(_TAG) not in kinds:
        raise source.wrong_type(node, what, expected)
    try:
        return scalar(node)
    except ValueError as error:
        raise source.wrong_type(node, what, expected) from error


def read_text(source: Source, node: yaml.Node, what: str) -> str:
    """Text; may be empty."""
    value: str = _tagged(source, node, what, {"str"}, "text")
    if "\0" in value:
        raise source.error(node, f"{what} contains a NUL character")
    return value


def read_filled(source: Source, node: yaml.Node, what: str) -> str:
    """Text that is not blank."""
    value = read_text(source, node, what)
    if not value.strip():
        raise source.error(node, f"{what} must be text, got nothing")
    return value


def read_boolean(source: Source, node: yaml.Node, what: str) -> bool:
    """A truth value."""
    value: bool = _tagged(source, node, what, {"bool"}, "true or false")
    return value


def read_minutes(source: Source, node: yaml.Node, what: str) -> float:
    """A duration, written in minutes and returned in seconds. Never zero, never infinite."""
    expected = "a number of minutes greater than 0"
    value = float(_tagged(source, node, what, {"int", "float"}, expected))
    if not math.isfinite(value) or value <= 0:
        raise source.wrong_type(node, what, expected)
    return value * 60


def integer(minimum: int, maximum: int) -> Kind:
    """A whole number from *minimum* to *maximum*."""
    expected = f"a whole number from {minimum} to {maximum}"

    def read(source: Source, node: yaml.Node, what: str) -> int:
        value: int = _tagged(source, node, what, {"int"}, expected)
        if not minimum <= value <= maximum:
            raise source.wrong_type(node, what, expected)
        return value

    return Kind(read, {"type": "integer", "minimum": minimum, "maximum": maximum})


def choice(*words: str) -> Kind:
    """One of a few words."""

    def read(source: Source, node: yaml.Node, what: str) -> str:
        value = read_text(source, node, what)
        if value not in words:
            raise source.error(node, f"{what} cannot be {value!r}", hint=nearest(value, words))
        return value

    return Kind(read, {"enum": list(words)})


def list_of(kind: Kind) -> Kind:
    """A list whose items are all of *kind*."""

    def read(source: Source, node: yaml.Node, what: str) -> list[JSON]:
        return [kind.read(source, item, f"an item of {what}") for item in items(source, node, what)]

    return Kind(read, {"type": "array", "items": dict(kind.schema)})


TEXT = Kind(read_text, {"type": "string"})
FILLED = Kind(read_filled, {"type": "string", "minLength": 1, "pattern": r"\S"})
BOOLEAN = Kind(read_boolean, {"type": "boolean"})
MINUTES = Kind(read_minutes, {"type": "number", "exclusiveMinimum": 0})
