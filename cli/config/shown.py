"""Values of configuration keys as people and programs see them."""

from __future__ import annotations

from agentsd.model import JSON
from agentsd.store.keys import KEYS
from agentsd.store.units import format_bytes, format_seconds

_SIZES = ("async.log_limit", "async.memory_limit")
"""Keys whose whole numbers are bytes."""


def as_json(value: JSON) -> JSON:
    """A value as JSON: a tuple is a list, a span is seconds, a size is bytes."""
    return list(value) if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def as_text(name: str, value: JSON) -> str:
    """The value of the key *name* for people, in a form that ``config set`` takes back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(value) + "]"  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(KEYS[name].default, float):
        return format_seconds(value)
    return format_bytes(value) if name in _SIZES else str(value)


_EFFECTS = {
    "now": "",
    "reload": " A worker that runs takes it with: agents worker reload",
    "restart": " A worker takes it when it is started again.",
}


def effect(name: str) -> str:
    """What it takes until a new value of the key *name* is in force; begins with a space unless it is nothing."""
    return _EFFECTS[KEYS[name].effect]
