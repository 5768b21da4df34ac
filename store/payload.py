"""The payload envelope: ``{"schema_version": 1, "phase": …, "data": …}``, written by orjson.

Unknown fields survive a round trip. Older versions are upgraded on read by a chain of pure functions;
a newer version is not claimed at all (the claim filters on the column ``schema_version``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import orjson

from agentsd.errors import BadPayloadError
from agentsd.model import JSON, PAYLOAD_VERSION

Envelope = dict[str, Any]

UPGRADES: Mapping[int, Callable[[Envelope], Envelope]] = MappingProxyType({})
"""Version n -> the function that makes version n+1 of it. Version 1 is the first."""


def wrap(phase: str, data: JSON, extra: Mapping[str, JSON] | None = None) -> str:
    """The envelope of *data* as JSON text. Raises BadPayloadError if *data* is not JSON."""
    return _empty(phase) if data is None and not extra else _wrap(phase, data, extra)


@lru_cache
def _empty(phase: str) -> str:
    """That of a job which is told nothing: the same for every one of its phase."""
    return _wrap(phase, None, None)


def _wrap(phase: str, data: JSON, extra: Mapping[str, JSON] | None) -> str:
    try:
        return orjson.dumps(
            {"schema_version": PAYLOAD_VERSION, "phase": phase, "data": data, **(extra or {})}
        ).decode()
    except TypeError as error:
        raise BadPayloadError(f"The payload is not JSON: {error}.") from error


def unwrap(text: str) -> Envelope:
    """The envelope in *text*, upgraded to the newest version. Raises BadPayloadError."""
    try:
        envelope = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadPayloadError(f"The payload is not JSON: {error}.") from error
    if not isinstance(envelope, dict) or not isinstance(envelope.get("schema_version"), int):  # pyright: ignore[reportUnknownMemberType]
        raise BadPayloadError("The payload is not an envelope with an integer schema_version.")
    return upgraded(envelope, UPGRADES)  # pyright: ignore[reportUnknownArgumentType]


def upgraded(envelope: Envelope, upgrades: Mapping[int, Callable[[Envelope], Envelope]]) -> Envelope:
    """*envelope* after all the *upgrades* that its version needs."""
    while (step := upgrades.get(envelope["schema_version"])) is not None:
        envelope = step(envelope)
    return envelope
