"""Which keys a mapping of the plan file has, and reading one by them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from agentsd.errors import PlanFileError
from agentsd.model import JSON
from agentsd.plans.kinds import Kind
from agentsd.plans.nodes import Source, entries, nearest


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the kind of its value, and what it means."""

    kind: Kind
    doc: str
    required: bool = False


Shape = Mapping[str, Key]


class Fields(Mapping[str, JSON]):
    """The values of a mapping that was read, each still knowing where it stood."""

    def __init__(self, source: Source, node: yaml.Node) -> None:
        """Nothing read yet from the mapping at *node*."""
        self.source, self.node = source, node
        self._values: dict[str, JSON] = {}
        self._nodes: dict[str, yaml.Node] = {}

    def __getitem__(self, key: str) -> JSON:
        """The value of *key*."""
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        """The keys that were given, in the file's order."""
        return iter(self._values)

    def __len__(self) -> int:
        """How many keys were given."""
        return len(self._values)

    def add(self, key: str, node: yaml.Node, value: JSON) -> None:
        """Record a value that stood at *node*."""
        self._values[key], self._nodes[key] = value, node

    def error(self, key: str, problem: str, *, hint: str = "") -> PlanFileError:
        """An error at *key*, or at the mapping if the key is not there."""
        return self.source.error(self._nodes.get(key, self.node), problem, hint=hint)


def read_shape(source: Source, node: yaml.Node, what: str, shape: Shape) -> Fields:
    """Read a mapping that has the keys of *shape* and no other."""
    fields = Fields(source, node)
    for key, key_node, value_node in entries(source, node, what):
        if key not in shape:
            raise source.error(key_node, f"unknown key `{key}` in {what}", hint=nearest(key, shape))
        fields.add(key, value_node, shape[key].kind.read(source, value_node, f"`{key}`"))
    for key, spec in shape.items():
        if spec.required and key not in fields:
            raise source.error(node, f"{what} needs `{key}`", hint=spec.doc)
    return fields


def shaped(what: str, shape: Shape) -> Kind:
    """A mapping of *shape* as a kind of value."""

    def read(source: Source, node: yaml.Node, _: str) -> Fields:
        return read_shape(source, node, what, shape)

    keys = ", ".join(f"`{key}`" for key in shape)
    return Kind(read, shape_schema(shape), f"a mapping: {keys}")


def shape_schema(shape: Shape) -> dict[str, JSON]:
    """The JSON Schema of a mapping of *shape*."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [key for key, spec in shape.items() if spec.required],
        "properties": {key: {**spec.kind.schema, "description": spec.doc} for key, spec in shape.items()},
    }
