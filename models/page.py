"""The tables of the documentation: what is checked, what each action stands for, and what each guard is for."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import fields

from models.checker import Report, check
from models.configurations import CONFIGURATIONS, WITNESSES
from models.registry import ACTIONS
from models.rules import Rules, names
from models.world import World

WORLDS = (
    "| world | supervisors | jobs | kills | pauses | cancels | freezes | states | steps | longest way |",
    "|---|---|---|---|---|---|---|---|---|---|",
)
"""The head of the table with a :func:`world_row` for each world."""


def world_row(name: str, begin: World, report: Report) -> str:
    """What is checked in one world, and how large it is."""
    faults = begin.budget
    cells = [
        name, len(begin.supervisors), len(begin.jobs), faults.kills, faults.pauses, faults.cancels, faults.freezes,
        f"{report.states:,}", f"{report.steps:,}", report.depth,
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def actions() -> Iterator[str]:
    """What each action stands for in the product."""
    yield "| action | what happens | in the product |"
    yield "|---|---|---|"
    for action in ACTIONS:
        product = ", ".join(f"`{name.removeprefix('agentsd.')}`" for name in action.product)
        happens = (action.steps.__doc__ or "").strip().replace("\n    ", " ")
        yield f"| `{action.name}` | {happens} | {product or '(the surroundings)'} |"


def guards() -> Iterator[str]:
    """What each guard is, and what goes wrong without it."""
    yield "| guard | rule | without it | steps | in |"
    yield "|---|---|---|---|---|"
    for name in names():
        yield guard_row(name, check(CONFIGURATIONS[WITNESSES[name]], Rules().without(name)))


def guard_row(name: str, report: Report) -> str:
    """One line of :func:`guards`."""
    return f"| `{name}` | {RULES[name]} | `{report.broken}` | {len(report.story)} | {WITNESSES[name]} |"


def _rules() -> dict[str, str]:
    """The docstrings below the fields of Rules, which Python itself does not keep."""
    (body,) = ast.parse(inspect.getsource(Rules)).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - it is one
    said = (node.value for node in body.body if isinstance(node, ast.Expr))
    sentences = [node.value for node in said if isinstance(node, ast.Constant)]
    return dict(zip((field.name for field in fields(Rules)), map(str, sentences[1:]), strict=True))


RULES = _rules()
