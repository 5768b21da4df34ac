"""Actions of the model: each is a guarded step, and names the functions of the product that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from models.rules import Rules
from models.world import World

Steps = Iterator[tuple[str, World]]
"""What an action can do in a state: a sentence and the next state, for each way."""


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of step. *fair*: it happens at last if it can; faults and whims need not. *writes*: a transaction."""

    name: str
    steps: Callable[[World, Rules], Steps]
    product: tuple[str, ...]
    """``module:attribute`` of what does this in the product; empty for what the surroundings do."""
    fair: bool
    writes: bool


ACTIONS: list[Action] = []

SUPERVISORS = "ABC"
"""What the stories call them; no world has more."""


def action(
    *product: str, fair: bool = True, writes: bool = False
) -> Callable[[Callable[[World, Rules], Steps]], Callable[[World, Rules], Steps]]:
    """Register a function that yields the steps of an action."""

    def register(steps: Callable[[World, Rules], Steps]) -> Callable[[World, Rules], Steps]:
        ACTIONS.append(Action(steps.__name__, steps, product, fair, writes))
        return steps

    return register


def up(world: World) -> Iterator[int]:
    """The supervisors that can act."""
    return (who for who, supervisor in enumerate(world.supervisors) if supervisor.life == "up")


def each(world: World) -> Iterator[tuple[int, int]]:
    """Every pair of supervisor and job."""
    return ((who, job) for who in range(len(world.supervisors)) for job in range(len(world.jobs)))
