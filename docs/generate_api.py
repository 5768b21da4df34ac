"""Print ``docs/reference/python_api.md`` from the public names and their docstrings.

A test fails when the page is older than the code; then:

    python docs/generate_api.py > docs/reference/python_api.md
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

import agentsd
import agentsd.errors
import agentsd.testing
from agentsd.model import Worker
from agentsd.supervisor.worker import AsyncWorker

INTRODUCTION = """\
# Python API

<!-- Written by docs/generate_api.py -->

Everything here is typed (`py.typed`) and imported from `agentsd`, unless another module is named. Importing `agentsd` loads no
database; names are loaded when they are first used. Guides: [use it from Python](../guides/python.md),
[phases of your own](../guides/own_phases.md).

Every error is one of [`agentsd.errors`](#agentsderrors), a subclass of `AgentsError`. Durations are seconds, sizes are bytes, times are
RFC 3339 UTC text of fixed width, which sorts as it should.

```python
import agentsd

with agentsd.connect() as client:
    job = client.enqueue("compress", payload={"paths": ["/var/tmp/a.txt"]})
    job = client.wait(job.job_id, timeout=60)
    print(job.status, job.reason, job.result)
```
"""
CLASSES = (
    agentsd.Client, agentsd.Wishes, agentsd.CancelOutcome, agentsd.AsyncJob, agentsd.AsyncJobStatus, agentsd.Reason,
    agentsd.JobEvent, Worker, agentsd.JobContext, agentsd.JobInfo, agentsd.ToolResult, agentsd.CancellationToken,
    AsyncWorker,
)  # fmt: skip
WIDTH = 100
"""A call that is longer has a line for each parameter."""
MACHINERY = {(agentsd.CancellationToken, name) for name in ("watch", "install", "raising", "held", "seal")}
"""What only a job process itself calls."""
TESTING = (
    "run_inline",
    "job_context",
    "FakeClock",
    "FakeToken",
    "InlineEnd",
    "temporary_store",
    "temporary_state",
    "run_queued",
)
"""The names of `agentsd.testing` in the order in which a reader wants them."""


def prose(item: Any) -> str:
    """A docstring as Markdown."""
    text = inspect.cleandoc(inspect.getdoc(item) or "")
    text = re.sub(r":(?:class|meth|func|mod|data):`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def spelled(annotation: Any) -> Raw:
    """A type as a reader writes it."""
    return Raw(str(annotation).replace("builtins.", ""))


class Raw(str):
    """Text that stands in a signature as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def signature(name: str, function: Any) -> str:
    """A call as it is written, without self."""
    given = inspect.signature(function)
    kept = [
        each.replace(annotation=spelled(each.annotation), default=default_of(each))
        for each in given.parameters.values()
        if each.name not in ("self", "cls")
    ]
    given = given.replace(parameters=kept, return_annotation=spelled(given.return_annotation))
    line = f"{name}{given}"
    if len(line) <= WIDTH:
        return line
    listed = "".join(f"    {each},\n" for each in words_of(kept))
    return f"{name}(\n{listed}) -> {given.return_annotation}"


def words_of(parameters: Iterable[inspect.Parameter]) -> Iterator[str]:
    """Each parameter as it is written, with the star before the first that has to be named."""
    starred = False
    for each in parameters:
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield str(each)


def default_of(parameter: inspect.Parameter) -> Any:
    """The default; one that has no words of its own is left open."""
    return Raw("…") if inspect.isfunction(parameter.default) else parameter.default


def function_part(name: str, function: Any) -> Iterator[str]:
    """A function or a method."""
    yield f"```python\n{signature(name, function)}\n```\n\n{prose(function)}\n"


def class_part(kind: type, heading: str = "##") -> Iterator[str]:
    """A class: what it is, its fields, its methods."""
    yield f"{heading} {kind.__name__}\n\n{prose(kind)}\n"
    if fields := fields_of(kind):
        yield from fields_part(kind, fields)
    if issubclass(kind, Enum):
        yield "Values: " + ", ".join(f"`{member.value}`" for member in kind) + ".\n"
    for name, member in vars(kind).items():
        if name.startswith("_") or not inspect.getdoc(member) or (kind, name) in MACHINERY:
            continue
        if inspect.isfunction(member):
            yield from function_part(name, member)
        elif isinstance(member, property):
            yield f"`{name}` (an attribute): {prose(member)}\n"


def fields_of(kind: type) -> dict[str, str]:
    """The types of the fields that a class declares."""
    if hasattr(kind, "_fields"):  # a named tuple: they stand in the source, for type checkers
        tree = ast.parse(inspect.getsource(inspect.getmodule(kind) or kind))
        return {
            node.target.id: ast.unparse(node.annotation)
            for node in ast.walk(tree)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            if node.target.id in kind._fields
        }
    given = {} if issubclass(kind, Enum) else vars(kind).get("__annotations__", {})
    return {
        name: getattr(annotation, "__forward_arg__", str(annotation))
        for name, annotation in given.items()
        if not name.startswith("_")
    }


def fields_part(kind: type, fields: dict[str, str]) -> Iterator[str]:
    """The table of a class's fields, with what the source says below each."""
    words = field_docs(kind)
    yield "| field | type | |\n|---|---|---|" if words else "| field | type |\n|---|---|"
    for name, spelling in fields.items():
        text = spelling.replace("|", "\\|")
        yield f"| `{name}` | `{text}` |" + (f" {words.get(name, '')} |" if words else "")
    yield ""


def field_docs(kind: type) -> dict[str, str]:
    """The text that stands below each field in the source."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - it is the source of a class
    found: dict[str, str] = {}
    for field, below in itertools.pairwise(body.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.replace("``", "`").split())
            case _:
                continue
    return found


def lines() -> Iterator[str]:
    """The page."""
    yield INTRODUCTION
    yield "## connect\n"
    yield from function_part("connect", agentsd.connect)
    for kind in CLASSES:
        yield from class_part(kind)
    yield f"## agentsd.testing\n\n{prose(agentsd.testing)}\n"
    for name in TESTING:
        item = getattr(agentsd.testing, name)
        if inspect.isclass(item):
            yield from class_part(item, "###")
        else:
            yield f"### {name}\n"
            yield from function_part(name, inspect.unwrap(item))
    yield "## agentsd.errors\n\n| error | exit code | |\n|---|---|---|"
    for name, error in vars(agentsd.errors).items():
        if inspect.isclass(error) and issubclass(
            error, agentsd.errors.AgentsError | agentsd.errors.JobCancelled
        ):
            first = prose(error).partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            code = int(error.exit_code) if issubclass(error, agentsd.errors.AgentsError) else "130"
            yield f"| `{name}` | {code} | {first} |"


if __name__ == "__main__":
    print("\n".join(lines()))
