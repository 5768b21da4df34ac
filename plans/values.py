"""The kinds of value that only plans have: paths, patterns, environment, sizes, arguments."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import yaml

from agentsd.model import JSON
from agentsd.plans.conditions import Condition
from agentsd.plans.nodes import (
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_VALUES,
    Kind,
    Source,
    describe,
    entries,
    items,
    nearest,
    read_filled,
    read_text,
    scalar,
)

RESERVED = frozenset({"AGENTS_PLAN_ID", "AGENTS_JOB_ID", "AGENTS_STEP", "AGENTS_SANDBOX", "AGENTS_WORKER_ID"})
"""Variables that agentsd sets itself. The last one marks a job's processes, so that they can be ended."""

MAX_SCRIPT_BYTES = 100_000
"""Linux passes at most 128 KiB in one argument, and a script is one argument."""

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IDENT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_WRAPPED = re.compile(r"\$\{\{(.*)\}\}", re.DOTALL)
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def leaves_sandbox(path: str) -> str:
    """Why *path* is not a path inside the sandbox; empty if it is one."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or path.startswith("~"):
        return "is absolute"
    if ".." in pure.parts:
        return "has `..`"
    if any(part.lower() == ".git" for part in pure.parts):
        return "leads into `.git`"
    return ""


def _read_path(source: Source, node: yaml.Node, what: str) -> str:
    path = read_filled(source, node, what)
    if problem := leaves_sandbox(path):
        hint = "Give a path relative to the project."
        raise source.error(node, f"{what} must stay inside the sandbox, but {path!r} {problem}", hint=hint)
    return str(PurePosixPath(path))


def _read_file_path(source: Source, node: yaml.Node, what: str) -> str:
    path = _read_path(source, node, what)
    if path == "." or read_text(source, node, what).endswith("/"):
        raise source.error(node, f"{what} must name a file, got {path!r}, a folder")
    return path


def _read_pattern(source: Source, node: yaml.Node, what: str) -> str:
    pattern = read_filled(source, node, what)
    if problem := leaves_sandbox(pattern.removeprefix("!")):
        hint = "Give a pattern relative to the project."
        raise source.error(node, f"{what} must stay inside the sandbox, but {pattern!r} {problem}", hint=hint)
    return pattern


def _read_place(source: Source, node: yaml.Node, what: str) -> str:
    pattern = _read_pattern(source, node, what)
    if pattern.startswith("!"):
        raise source.error(
            node, f"{what} cannot begin with `!`", hint="Name the places where changes may be."
        )
    return pattern


def _read_env(source: Source, node: yaml.Node, what: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, key_node, value_node in entries(source, node, what):
        if not _NAME.fullmatch(name):
            raise source.error(key_node, f"{name!r} in {what} is not a name of an environment variable")
        if name in RESERVED:
            raise source.error(key_node, f"{name} in {what} is set by agentsd and cannot be changed")
        values[name] = read_text(source, value_node, f"{name} in {what}")
    return values


def _read_size(source: Source, node: yaml.Node, what: str) -> int:
    match = _SIZE.fullmatch(node.value) if isinstance(node, yaml.ScalarNode) else None
    if match is None or (unit := match[2].upper()) not in _UNITS or (size := float(match[1])) <= 0:
        raise source.wrong_type(node, what, 'a size such as "2 GiB"')
    return int(size * _UNITS[unit])


def _read_script(source: Source, node: yaml.Node, what: str) -> str:
    script = read_filled(source, node, what)
    if len(script.encode()) > MAX_SCRIPT_BYTES:
        raise source.error(
            node, f"{what} may have {MAX_SCRIPT_BYTES} bytes", hint="Put it into a file and run that file."
        )
    return script


def _read_matching(pattern: re.Pattern[str], expected: str) -> Kind:
    def read(source: Source, node: yaml.Node, what: str) -> str:
        value = read_text(source, node, what)
        if not pattern.fullmatch(value):
            raise source.error(node, f"{what} must be {expected}, got {describe(node)}")
        return value

    return Kind(read, {"type": "string", "pattern": f"^{pattern.pattern}$"})


def _read_condition(source: Source, node: yaml.Node, what: str) -> str:
    value = read_text(source, node, what)
    wrapped = _WRAPPED.fullmatch(value.strip())
    expression = "".join((wrapped[1] if wrapped else value).split())
    known = [condition.value for condition in Condition]
    if expression not in known:
        raise source.error(node, f"{what} cannot be {value!r}", hint=nearest(expression, known))
    return expression


class _Budget:
    """Counts values, so that aliases cannot multiply into millions of them."""

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def read(self, source: Source, node: yaml.Node, what: str, depth: int = 0) -> JSON:
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            raise source.error(node, f"{what} is too large or nested too deeply")
        if isinstance(node, yaml.MappingNode):
            pairs = entries(source, node, what)
            return {key: self.read(source, value, f"`{key}` in {what}", depth + 1) for key, _, value in pairs}
        if isinstance(node, yaml.SequenceNode):
            listed = items(source, node, what)
            return [self.read(source, item, f"an item of {what}", depth + 1) for item in listed]
        return self._scalar(source, node, what)

    def _scalar(self, source: Source, node: yaml.Node, what: str) -> JSON:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind not in {"str", "int", "float", "bool", "null"}:
            raise source.wrong_type(node, what, "text, a number, true, false, null, a list or a mapping")
        value: JSON = scalar(node)
        too_big = isinstance(value, int) and abs(value) > MAX_INTEGER
        if too_big or value in (float("inf"), float("-inf")) or value != value:  # noqa: PLR0124 - NaN
            raise source.wrong_type(node, what, "a number that JSON can hold")
        return value


def _read_arguments(source: Source, node: yaml.Node, what: str) -> dict[str, JSON]:
    budget = _Budget()
    arguments = {
        key: budget.read(source, value, f"`{key}` in {what}") for key, _, value in entries(source, node, what)
    }
    if budget.left < MAX_VALUES and len(repr(arguments)) > MAX_SCRIPT_BYTES:
        raise source.error(node, f"{what} may have {MAX_SCRIPT_BYTES} bytes", hint="Put them into a file.")
    return arguments


_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}

PATH = Kind(_read_path, {"type": "string", "minLength": 1})
FILE_PATH = Kind(_read_file_path, {"type": "string", "minLength": 1})
PATTERN = Kind(_read_pattern, {"type": "string", "minLength": 1})
PLACE = Kind(_read_place, {"type": "string", "minLength": 1})
ENVIRONMENT = Kind(_read_env, _STRINGS)
SIZE = Kind(_read_size, {"type": ["string", "integer"]})
SCRIPT = Kind(_read_script, {"type": "string", "minLength": 1})
IDENT = _read_matching(_IDENT, "letters, digits, - and _, starting with a letter")
TARGET = _read_matching(_TARGET, "`package.module:function`")
ARGUMENTS = Kind(_read_arguments, {"type": "object"})
CONDITION = Kind(_read_condition, {"enum": [condition.value for condition in Condition]})
