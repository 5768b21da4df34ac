"""``agents job enqueue --from-jsonl``: many jobs of one phase, all of them or none."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agentsd.cli.framework import current_output, nearest
from agentsd.cli.session import find_job, warn_without_worker
from agentsd.cli.words import count
from agentsd.errors import AgentsError, BadLineError, ExitCode, InvalidInputError, OneOfManyError
from agentsd.model import JSON
from agentsd.store.units import parse_seconds

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client, Wishes

MOST = 50_000
"""Lines taken at once. All of them are one transaction, for which everybody else waits."""
FIELDS: dict[str, type] = {
    "payload": object,
    "priority": int,
    "timeout": object,
    "after": str,
    "hold": bool,
    "key": str,
}
Line = tuple[int, JSON, "Wishes"]
"""Its number (from 1), the payload, and how it is to be queued."""


def enqueue_batch(
    client: Client, phase: str, source: str, *, plan_id: str | None, defaults: Wishes
) -> ExitCode:
    """Queue a job for each line of *source* and show their ids.

    Raises BadLineError, which names the line, InvalidInputError; then nothing is queued.
    """
    where = "stdin" if source == "-" else source
    output = current_output()
    lines = list(_lines(client, where, _read(source), defaults))
    try:
        found = client.enqueue_many(phase, [(data, more) for _, data, more in lines], plan_id=plan_id)
    except OneOfManyError as error:
        raise BadLineError(where, lines[error.position][0], error.cause) from None
    old = sum(not new for _, new in found)
    if old:
        output.info(f"{count(old, 'line')} had a key of a job that is queued or running: not queued again.")
    if found:
        warn_without_worker(client, output)
    else:
        output.info(f"{where} has no line: nothing was queued.")
    items = [{"job_id": job.job_id, "status": job.status, "created": new} for job, new in found]
    return output.result({"jobs": items}, lambda: [job.job_id for job, _ in found], items=items)


def _read(source: str) -> Iterator[bytes]:
    try:
        if source == "-":
            yield from sys.stdin.buffer
            return
        with Path(source).open("rb") as file:
            yield from file
    except OSError as error:
        raise InvalidInputError(source, expected="a file with JSON lines", got=error.strerror) from None


def _lines(client: Client, where: str, texts: Iterable[bytes], defaults: Wishes) -> Iterator[Line]:
    """Every line that is not empty, checked."""
    for number, text in enumerate(texts, start=1):
        if number > MOST:
            raise InvalidInputError(where, expected=f"at most {MOST} lines", got="more", hint="Split it.")
        if not text.strip():
            continue
        try:
            yield number, *_job(client, text, defaults)
        except AgentsError as error:
            raise BadLineError(where, number, error) from None


def _job(client: Client, text: bytes, defaults: Wishes) -> tuple[JSON, Wishes]:
    import orjson  # noqa: PLC0415 - most commands read no JSON

    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError("the line", expected="a JSON object", got=str(error)) from None
    if not isinstance(value, dict):
        raise InvalidInputError("the line", expected='a JSON object such as {"payload": …}', got=value)
    fields = cast("dict[str, Any]", value)
    for name, given in fields.items():
        _check(name, given)
    wishes = {name: given for name, given in fields.items() if name != "payload" and given is not None}
    if "timeout" in wishes:
        wishes["timeout"] = _seconds(wishes["timeout"])
    if "after" in wishes:
        wishes["after"] = find_job(client, wishes["after"])
    return fields.get("payload"), cast("Wishes", {**defaults, **wishes})


def _check(name: str, given: JSON) -> None:
    if name not in FIELDS:
        raise InvalidInputError(
            "the line", expected="known keys", got=name, hint=nearest(name, FIELDS).strip()
        )
    kind = FIELDS[name]
    if given is None or kind is object:
        return
    # A bool is an int to Python, and a number that SQLite cannot hold is none to us.
    good = -(2**31) <= given < 2**31 if type(given) is int else True
    if type(given) is kind and good:
        return
    words = {int: "a whole number of 32 bits", str: "text", bool: "true or false"}[kind]
    raise InvalidInputError(name, expected=words, got=given)


def _seconds(given: JSON) -> float:
    try:
        seconds = parse_seconds(given)
    except ValueError as error:
        raise InvalidInputError("timeout", expected=str(error), got=given) from None
    if seconds <= 0:
        raise InvalidInputError("timeout", expected="seconds above 0", got=given)
    return seconds
