"""The kinds of value that only plans have: paths, patterns, environment, sizes, arguments."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

import yaml

from agentsd.model import JSON
from agentsd.plans.conditions import Condition
from agentsd.plans.kinds import TEXT_SCHEMA, Kind, read_filled, read_text, whole
from agentsd.plans.nodes import TAG, Source, describe, entries, items, nearest, scalar

RESERVED = frozenset({"AGENTS_PLAN_ID", "AGENTS_JOB_ID", "AGENTS_STEP", "AGENTS_SANDBOX", "AGENTS_WORKER_ID"})
"""Variables that agentsd sets itself. The last one marks a job's processes, so that they can be ended."""

MAX_SCRIPT_BYTES = 100_000
"""Linux passes at most 128 KiB in one argument, and a script is one argument."""

MAX_DEPTH = 32
MAX_VALUES = 10_000
"""Bounds on ``with:`` values; without them a few YAML aliases expand to gigabytes."""
MAX_INTEGER = 2**63 - 1

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
# Patterns that a schema repeats are written so that Python and JavaScript read them alike.
_UNIT = r"(?:[kKmMgG][iI]?)?[bB]"
_SIZE = re.compile(rf"\s*(?=[0-9.]*[1-9])([0-9]+(?:\.[0-9]+)?)\s*({_UNIT})?\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IDENT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_WORD = r"(?:[A-Za-z_]|[^\u0000-\u007f])(?:[A-Za-z0-9_]|[^\u0000-\u007f])*"
_TARGET = re.compile(rf"{_WORD}(?:\.{_WORD})*:{_WORD}(?:\.{_WORD})*")
_CALLS = rf"(?:{'|'.join(condition.value[:-2] for condition in Condition)})\s*\(\s*\)"
_CONDITION = re.compile(rf"\s*(?:\$\{{\{{\s*{_CALLS}\s*\}}\}}|{_CALLS})\s*")


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
    is_size = isinstance(node, yaml.ScalarNode) and node.tag.endswith((":str", ":int"))
    match = _SIZE.fullmatch(node.value) if is_size else None
    size = int(float(match[1]) * _UNITS[(match[2] or "").upper()]) if match else 0
    if size < 1:
        raise source.wrong_type(node, what, 'a size such as "2 GiB"')
    return size


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

    return Kind(read, {"type": "string", "pattern": whole(pattern.pattern)}, expected)


def _read_condition(source: Source, node: yaml.Node, what: str) -> str:
    value = read_text(source, node, what)
    expression = "".join(value.replace("${{", "").replace("}}", "").split())
    if not _CONDITION.fullmatch(value):
        known = [condition.value for condition in Condition]
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
        kind = node.tag.removeprefix(TAG)
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
    if len(json.dumps(arguments)) > MAX_SCRIPT_BYTES:  # ASCII, and just what the step's one argument will be
        raise source.error(node, f"{what} may have {MAX_SCRIPT_BYTES} bytes", hint="Put them into a file.")
    return arguments


_INSIDE = (
    r"(?![/~])(?=[\s\S]*\S)"
    r"(?!(?:[\s\S]*/)?(?:\.\.|\.[gG][iI][tT])(?:/|(?![\s\S])))"
    r"[^\u0000]+"
)
"""The pattern of a path that :func:`leaves_sandbox` finds nothing wrong with."""
_NO_FOLDER = r"(?!(?:\./*)+(?![\s\S]))(?![\s\S]*/(?![\s\S]))"


def _text(pattern: str, **more: JSON) -> dict[str, JSON]:
    return {"type": "string", "pattern": whole(pattern), **more}


_ENVIRONMENT = {
    "type": "object",
    "propertyNames": {"pattern": whole(_NAME.pattern), "not": {"enum": sorted(RESERVED)}},
    "additionalProperties": TEXT_SCHEMA,
}
_CONDITIONS = [condition.value for condition in Condition]

PATH = Kind(_read_path, _text(_INSIDE), "a path relative to the project")
FILE_PATH = Kind(_read_file_path, _text(_NO_FOLDER + _INSIDE), "a path of a file")
PATTERN = Kind(_read_pattern, _text(rf"(?:!|(?!!)){_INSIDE}"), "patterns as in `.gitignore`")
PLACE = Kind(_read_place, _text(rf"(?!!){_INSIDE}"), "paths or patterns such as `src/**`")
ENVIRONMENT = Kind(_read_env, _ENVIRONMENT, "a mapping of names to text")
SIZE = Kind(
    _read_size,
    {"anyOf": [{"type": "integer", "minimum": 1}, _text(_SIZE.pattern)]},
    "bytes, or such as `2 GiB`",
)
SCRIPT = Kind(_read_script, _text(r"(?=[\s\S]*\S)[^\u0000]+", maxLength=MAX_SCRIPT_BYTES), "a shell script")
IDENT = _read_matching(_IDENT, "1 to 64 letters, digits, - and _, starting with a letter or _")
TARGET = _read_matching(_TARGET, "`package.module:function`")
ARGUMENTS = Kind(_read_arguments, {"type": "object"}, "a mapping of names to values")
CONDITION = Kind(
    _read_condition,
    {"anyOf": [{"enum": _CONDITIONS}, _text(_CONDITION.pattern)]},
    ", ".join(f"`{each}`" for each in _CONDITIONS),
)
