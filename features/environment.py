"""A fresh world for each scenario, and the proof that the scenario left no process behind.

Tags: ``@signals`` kills or freezes a process; ``@slow`` takes more than a few seconds.
"""

from __future__ import annotations

from collections.abc import Generator

from behave import fixture, use_fixture
from behave.model import Scenario, Step
from behave.runner import Context
from support.processes import become_subreaper, end_all, nothing_left_behind
from support.stopping import Stopping
from support.world import World


def before_all(context: Context) -> None:
    """Adopt every orphan, so that the leak check sees daemons too; and hear SIGTERM as Ctrl-C."""
    become_subreaper()
    Stopping().listen()


def after_all(context: Context) -> None:
    """End what an interrupted tear-down has left."""
    end_all()


@fixture
def world(context: Context) -> Generator[World]:
    """A world of its own, closed and searched for leftovers at the end."""
    context.world = World()
    try:
        with nothing_left_behind():
            yield context.world
            context.world.close()
    finally:
        context.world.home.remove()


def before_scenario(context: Context, scenario: Scenario) -> None:
    """Give the scenario its world."""
    use_fixture(world, context)


def after_step(context: Context, step: Step) -> None:
    """Show what the last command and the workers said when a step fails."""
    if step.status == "failed":
        print(context.world.answer)
        for name, worker in context.world.workers.items():
            print(f"worker {name!r} said:\n{worker.said}")
