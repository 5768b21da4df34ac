"""The plan file as one tree of YAML nodes."""

from __future__ import annotations

import stat
from pathlib import Path

import yaml

from agentsd.errors import InvalidInputError, PlanFileError
from agentsd.plans.nodes import Source

MAX_FILE_BYTES = 1024 * 1024

_SPECIAL = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def compose(path: Path) -> tuple[Source, yaml.Node, bytes]:
    """Parse *path* into one node tree; also its bytes. Raises PlanFileError, InvalidInputError."""
    source = Source(str(path))
    data = _read(path)
    if len(data) > MAX_FILE_BYTES:
        raise PlanFileError(source.path, 1, f"a plan file may have {MAX_FILE_BYTES} bytes, this has more")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PlanFileError(source.path, line, "a plan file must be UTF-8 text") from error
    return source, _parse(source, text), data


def _read(path: Path) -> bytes:
    """The first bytes of a regular file, and one more than are allowed. InvalidInputError.

    A pipe is refused, because it could not be told later whether what came out of it has changed.
    """
    try:
        form = stat.S_IFMT(path.stat().st_mode)
        if form != stat.S_IFREG:
            raise _unreadable(path, f"It is {_SPECIAL.get(form, 'something else')}.")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        hint = "Standard input is not read: a plan is kept with its file." if str(path) == "-" else ""
        raise _unreadable(path, hint or f"{error.strerror or error}.") from error
    except ValueError as error:  # a NUL in the name
        raise _unreadable(path, f"{error}.") from error


def _unreadable(path: Path, hint: str) -> InvalidInputError:
    return InvalidInputError(
        "plan file", expected="a regular file that can be read", got=str(path), hint=hint
    )


def _parse(source: Source, text: str) -> yaml.Node:
    try:
        node = yaml.SafeLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        hint = "YAML indents with spaces." if "'\\t'" in (error.problem or "") else ""
        problem = f"not valid YAML: {error.problem or error.context}"
        raise PlanFileError(source.path, line, problem, hint=hint) from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise PlanFileError(source.path, line, f"not valid YAML: {error.reason}") from error
    except RecursionError as error:
        raise PlanFileError(source.path, 1, "not valid YAML: nested too deeply") from error
    if node is None:
        raise PlanFileError(source.path, 1, "the plan is empty", hint="It needs at least `name` and `steps`.")
    return node
