"""Print ``docs/reference/python_api.md`` from the public names and their docstrings.

A test fails when the page is older than the code; then:

    python docs/generate_api.py > docs/reference/python_api.md
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

import agentsd
import agentsd.errors
import agentsd.testing
from agentsd.supervisor.client import CancelOutcome, Wishes
from agentsd.workers.context import JobInfo
from agentsd.workers.tools import ToolResult

INTRODUCTION = """\
# Python API

<!-- Written by docs/generate_api.py -->

Everything here is typed (`py.typed`) and imported from `agentsd`, unless another module is named. Importing `agentsd` loads no
database; names are loaded when they are first used. [Phases of your own](../guides/own_phases.md) is the tutorial.

```python
import agentsd

with agentsd.connect() as client:
    job = client.enqueue("resize", payload={"paths": ["a.png"]})
    job = client.wait(job.job_id, timeout=60)
    print(job.status, job.reason, job.result)
```
"""
CLASSES = (
    agentsd.Client, Wishes, CancelOutcome, agentsd.JobContext, JobInfo, ToolResult, agentsd.CancellationToken,
    agentsd.AsyncJob, agentsd.AsyncJobStatus,
)  # fmt: skip


def prose(item: Any) -> str:
    """A docstring as Markdown."""
    text = inspect.cleandoc(inspect.getdoc(item) or "")
    text = re.sub(r":(?:class|meth|func|mod|data):`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


class Raw(str):
    """Text that stands in a signature as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def signature(name: str, function: Any) -> str:
    """A call as it is written, without self."""
    given = inspect.signature(function)
    kept = [
        each.replace(annotation=Raw(each.annotation), default=default_of(each))
        for each in given.parameters.values()
        if each.name not in ("self", "cls")
    ]
    return f"{name}{given.replace(parameters=kept, return_annotation=Raw(given.return_annotation))}"


def default_of(parameter: inspect.Parameter) -> Any:
    """The default; one that has no words of its own is left open."""
    return Raw("…") if inspect.isfunction(parameter.default) else parameter.default


def function_part(name: str, function: Any) -> Iterator[str]:
    """A function or a method."""
    yield f"```python\n{signature(name, function)}\n```\n\n{prose(function)}\n"


def class_part(kind: type) -> Iterator[str]:
    """A class: what it is, its fields, its methods."""
    yield f"## {kind.__name__}\n\n{prose(kind)}\n"
    if dataclasses.is_dataclass(kind) or typing.is_typeddict(kind):
        yield "| field | type |\n|---|---|"
        for name, annotation in kind.__annotations__.items():
            text = getattr(annotation, "__forward_arg__", str(annotation))
            if not name.startswith("_"):
                yield f"| `{name}` | `{text}` |".replace(" | None`", " \\| None`")
        yield ""
    for name, member in vars(kind).items():
        if name.startswith("_") or not inspect.getdoc(member):
            continue
        if inspect.isfunction(member):
            yield from function_part(name, member)
        elif isinstance(member, property):
            yield f"`{name}`\n:   {prose(member)}\n"


def lines() -> Iterator[str]:
    """The page."""
    yield INTRODUCTION
    yield "## connect\n"
    yield from function_part("connect", agentsd.connect)
    for kind in CLASSES:
        yield from class_part(kind)
    yield "## agentsd.testing\n\nHelpers for tests of handlers.\n"
    for name in ("job_context", "temporary_state"):
        yield from function_part(name, inspect.unwrap(getattr(agentsd.testing, name)))
    yield "## agentsd.errors\n\n| error | exit code | |\n|---|---|---|"
    for name, error in vars(agentsd.errors).items():
        if inspect.isclass(error) and issubclass(error, agentsd.errors.AgentsError):
            first = prose(error).partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            yield f"| `{name}` | {int(error.exit_code)} | {first} |"


if __name__ == "__main__":
    print("\n".join(lines()))
