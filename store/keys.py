"""Every configuration key: its name, its default, and what makes a value a good one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from agentsd.errors import ConfigError
from agentsd.model import JSON
from agentsd.store.units import parse_bytes, parse_seconds

LONGEST = 10 * 365 * 86400.0
"""Seconds; the largest span a key may have. Timers and dates would overflow somewhere above it."""

CONTAINMENT_CHOICES = ("auto", "cgroup", "subreaper")
CLEANUP_CHOICES = ("on_apply", "on_terminal", "manual")
BASE_CHOICES = ("worktree", "head")
_FLAGS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}

MOST_STANDBYS = 64
"""The most processes of a worker that wait for jobs."""


class Key(NamedTuple):
    """One key. ``parse`` raises ValueError that says what was expected."""

    name: str
    default: JSON
    parse: Callable[[object], JSON]
    help: str
    effect: str = "reload"
    """When a worker that runs takes a new value: at its next ``reload`` or ``restart``, or ``now`` (it has none)."""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "AGENTS_" + self.name.replace(".", "_").upper()

    @property
    def field(self) -> str:
        """The field of :class:`Settings` that holds it."""
        return self.name.removeprefix("async.").replace(".", "_")


def _flag(value: object) -> bool:
    if isinstance(value, str):
        value = _FLAGS.get(value.strip().lower())
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _count(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise ValueError(f"a whole number from {least} to {most}")

    return parse


def _span(least: float) -> Callable[[object], float]:
    def parse(value: object) -> float:
        seconds = parse_seconds(value)
        if least <= seconds <= LONGEST:
            return seconds
        raise ValueError(f"a span from {least:g} s to {LONGEST:.0f} s (10 years)")

    return parse


def _size(least: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        size = parse_bytes(value)
        if least <= size < 2**63:
            return size
        raise ValueError(f"a size of at least {least} bytes")

    return parse


def _span_or_none(least: float) -> Callable[[object], float]:
    def parse(value: object) -> float:
        seconds = parse_seconds(value)
        if seconds == 0 or least <= seconds <= LONGEST:
            return seconds
        raise ValueError(f"0 for none, or a span from {least:g} s to {LONGEST:.0f} s (10 years)")

    return parse


def _size_or_none(least: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        size = parse_bytes(value)
        if size == 0 or least <= size < 2**63:
            return size
        raise ValueError(f"0 for none, or a size of at least {least} bytes")

    return parse


def _count_or_none(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = _count(0, most)(value)
        if number == 0 or number >= least:
            return number
        raise ValueError(f"0 for none, or a whole number from {least} to {most}")

    return parse


def _choice(choices: tuple[str, ...]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise ValueError("one of " + ", ".join(choices))

    return parse


def _modules(value: object) -> tuple[str, ...]:
    """Names of modules: a list of text, or one text with commas (from a variable or the command line)."""
    parts: list[object] = []
    if isinstance(value, list | tuple):
        parts = [*value]  # pyright: ignore[reportUnknownVariableType]
    elif isinstance(value, str):
        parts = [part.strip() for part in value.strip().removeprefix("[").removesuffix("]").split(",")]
        parts = [part.strip("\"'") for part in parts if isinstance(part, str) and part]
    else:
        parts = [None]
    names = tuple(part for part in parts if isinstance(part, str) and _is_module_name(part))
    if len(names) != len(parts):
        raise ValueError('a list of module names, such as ["json", "my.phases"]')
    return names


def _is_module_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _keys() -> dict[str, Key]:
    keys = (
        Key(
            "async.enabled",
            False,
            _flag,
            "plan execute and plan apply enqueue instead of running here",
            "now",
        ),
        Key("async.max_workers", 4, _count(1, 1024), "job processes at once"),
        Key(
            "async.poll_interval",
            1.0,
            _span(0.01),
            "seconds between looks for work when nobody wakes the worker",
        ),
        Key(
            "async.job_timeout", 3600.0, _span(0.01), "seconds a job may take, unless its plan says otherwise"
        ),
        Key(
            "async.job_ttl", 120.0, _span(1.0), "seconds of a worker's silence after which its jobs are stuck"
        ),
        Key(
            "async.containment",
            "auto",
            _choice(CONTAINMENT_CHOICES),
            "what holds a job's processes together: cgroup, subreaper, or auto (cgroup where one is writable)",
            "restart",
        ),
        Key("async.cancel_grace", 10.0, _span(0.0), "seconds from asking a job to stop to killing it"),
        Key(
            "async.shutdown_grace",
            30.0,
            _span(0.0),
            "seconds that jobs may go on when their worker is stopped",
        ),
        Key("async.max_attempts", 1, _count(1, 100), "attempts at a job before its failure is final"),
        Key("async.retention", 604800.0, _span(0.0), "seconds that finished jobs, events and logs are kept"),
        Key("async.log_limit", 64 * 2**20, _size(1024), "bytes of output kept per job"),
        Key(
            "async.memory_limit",
            0,
            _size_or_none(2**20),
            "bytes of address space of each process of a job, unless its plan says otherwise; 0: no limit",
        ),
        Key(
            "async.cpu_limit",
            0.0,
            _span_or_none(1.0),
            "seconds of CPU of each process of a job, unless its plan says otherwise; 0: no limit",
        ),
        Key(
            "async.open_files_limit",
            0,
            _count_or_none(16, 1_048_576),
            "file descriptors of each process of a job, unless its plan says otherwise; 0: no limit",
        ),
        Key(
            "async.nice",
            0,
            _count(0, 19),
            "niceness of each process of a job, unless its plan says otherwise",
        ),
        Key(
            "async.standbys",
            4,
            _count(0, MOST_STANDBYS),
            "processes of a worker that wait for the next jobs, so that these begin sooner; 0: each is forked when there is a job",
        ),
        Key(
            "async.preload", (), _modules, "modules that the spawner imports once, before it forks", "restart"
        ),
        Key("sandbox.cleanup", "on_apply", _choice(CLEANUP_CHOICES), "when a plan's sandbox is removed"),
        Key(
            "sandbox.base",
            "worktree",
            _choice(BASE_CHOICES),
            "what a sandbox starts from: worktree (with uncommitted work) or head",
        ),
    )
    return {key.name: key for key in keys}


KEYS: Mapping[str, Key] = MappingProxyType(_keys())


def check_value(name: str, value: object, where: str | None = None) -> JSON:
    """*value* as the key *name* takes it; ConfigError names *where* it stands, the expected and the got."""
    key = find_key(name, where)
    try:
        return key.parse(value)
    except ValueError as error:
        raise ConfigError(f"{where}: {name}" if where else name, expected=str(error), got=value) from None


def find_key(name: str, where: str | None = None) -> Key:
    """The key *name*; ConfigError names the nearest one."""
    if name in KEYS:
        return KEYS[name]
    raise ConfigError(where or "configuration", expected="a known key", got=name, hint=nearest(name, KEYS))


def nearest(name: str, known: Mapping[str, object]) -> str:
    """A hint at the nearest of *known*, or at all of them."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a message

    close = get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}."
