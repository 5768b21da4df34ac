"""Holding what commands print for programs against the documented JSON Schema."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, cast

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "agents.schema.json"


def check_envelope(text: str) -> None:
    """Fail if *text* is an envelope that the documentation does not describe; other text is none of ours."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return
    if isinstance(value, dict) and "command" in value and "exit_code" in value:
        problems = problems_of(value)
        assert not problems, (
            f"{value['command']!r} prints what docs/json_schemas.py does not have: {problems}"
        )


def problems_of(envelope: Any) -> list[str]:
    """What is wrong with an envelope, each as a path and a sentence."""
    found: list[str] = []
    for error in _validator().iter_errors(envelope):
        found += [f"{each.json_path}: {each.message}" for each in (error, *(error.context or ()))]
    return found


@functools.cache
def _validator() -> Any:
    """The documented schema, made strict: a key that it does not have is a mistake in a test, not in a program."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - of the tests that need it

    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    schema["additionalProperties"] = False
    for definition in schema["$defs"].values():
        _forbid_more(definition)
    return Draft202012Validator(schema)


def _forbid_more(schema: Any) -> None:
    if isinstance(schema, list):
        for each in cast("list[Any]", schema):
            _forbid_more(each)
    if isinstance(schema, dict):
        node = cast("dict[str, Any]", schema)
        if "properties" in node:
            node.setdefault("additionalProperties", False)
        for each in node.values():
            _forbid_more(each)
