"""The formal model holds, it can fail, and it speaks of functions that exist."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from models.checker import Report, check
from models.configurations import CONFIGURATIONS, WITNESSES
from models.page import actions, guard_row, world_row
from models.registry import ACTIONS
from models.rules import Rules, names

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "formal_model.md"


@cache
def checked(name: str) -> Report:
    """What checking one configuration has found."""
    return check(CONFIGURATIONS[name])


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_everything_holds_in_every_state(name: str) -> None:
    """And every job ends at last, once a supervisor is up."""
    report = checked(name)

    assert ("", []) == (report.broken, report.story)


def test_every_action_happens() -> None:
    """An action that no state allows would be checked in vain."""
    seen = set[str]().union(*(checked(name).seen for name in CONFIGURATIONS))

    assert {action.name for action in ACTIONS} == seen


@pytest.mark.parametrize("guard", names())
def test_without_a_guard_there_is_a_counterexample(guard: str) -> None:
    """A guard that the model does not miss would not be modelled; the page shows what breaks, and how soon."""
    report = check(CONFIGURATIONS[WITNESSES[guard]], Rules().without(guard))

    assert report.broken
    assert report.story
    assert guard_row(guard, report) in PAGE.read_text()


def test_a_guard_that_does_not_exist_is_refused() -> None:
    """With those that do."""
    with pytest.raises(KeyError, match="handshake"):
        Rules().without("luck")


@pytest.mark.parametrize("name", sorted({name for action in ACTIONS for name in action.product}))
def test_what_an_action_stands_for_exists(name: str) -> None:
    """A function that was renamed is noticed."""
    module, _, attribute = name.partition(":")
    found: object = import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)

    assert callable(found)


def test_the_page_has_the_actions_and_the_figures() -> None:
    """The reference says what is checked: ``python -m models --page docs/reference/formal_model.md`` writes it."""
    text = PAGE.read_text()

    assert [] == [line for line in actions() if line not in text]
    assert [] == [
        row
        for name, world in CONFIGURATIONS.items()
        if (row := world_row(name, world, checked(name))) not in text
    ]
