"""The nodes of a YAML file, which know their line.

Values are read from nodes rather than from loaded objects, because an error has to name its line.
Nothing is constructed but scalars, so no tag in the file can make Python do anything.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import yaml

from agentsd.errors import PlanFileError
from agentsd.model import JSON

_SHOWN = 40
TAG = "tag:yaml.org,2002:"
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "a truth value",
    "null": "nothing",
    "timestamp": "a date",
    "map": "a mapping",
    "seq": "a list",
    "merge": "a merge key, which plans do not have",
}
# YAML 1.1 reads 010 as eight and 1:30 as ninety, YAML 1.2 as ten and as text.
_AMBIGUOUS = re.compile(r"[-+]?0[0-9_]+|.*:.*")


@dataclass(frozen=True, slots=True)
class Source:
    """The file that is being read; makes errors that point into it."""

    path: str

    def error(self, node: yaml.Node, problem: str, *, hint: str = "") -> PlanFileError:
        """An error at *node*'s line."""
        return PlanFileError(self.path, int(node.start_mark.line) + 1, problem, hint=hint)

    def wrong_type(self, node: yaml.Node, what: str, expected: str, *, hint: str = "") -> PlanFileError:
        """An error that says what was expected and what is there."""
        if not hint and expected.startswith("text") and isinstance(node, yaml.ScalarNode) and node.value:
            hint = f'Quote it: "{node.value}".'
        return self.error(node, f"{what} must be {expected}, got {describe(node)}", hint=hint)


def describe(node: yaml.Node) -> str:
    """What a person sees at *node*: a short value and its kind."""
    kind = _KINDS.get(node.tag.removeprefix(TAG), f"a value tagged {node.tag}")
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
        key = tagged(source, key_node, f"a key of {what}", {"str"}, "text")
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


def tagged(source: Source, node: yaml.Node, what: str, kinds: set[str], expected: str) -> JSON:
    """The Python value of a scalar whose YAML type is one of *kinds*."""
    kind = node.tag.removeprefix(TAG)
    if not isinstance(node, yaml.ScalarNode) or kind not in kinds:
        raise source.wrong_type(node, what, "plain text" if kind == "merge" else expected)
    if kind in {"int", "float"} and _AMBIGUOUS.fullmatch(node.value):
        raise source.wrong_type(node, what, expected, hint="YAML readers disagree on what number that is.")
    try:
        return scalar(node)
    except ValueError as error:
        raise source.wrong_type(node, what, expected) from error
