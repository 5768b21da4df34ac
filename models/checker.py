"""The checker: visits every state that can be reached, breadth first, so that a counterexample is a shortest one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from models import caring, faults, working
from models.properties import INVARIANTS, all_is_well_at_last
from models.registry import ACTIONS
from models.rules import Rules
from models.world import World

assert caring and faults and working  # noqa: S101 - importing them registers their actions

Invariant = Callable[[World], bool]


@dataclass(slots=True)
class Report:
    """What was found. ``broken`` is empty if everything holds."""

    states: int = 0
    steps: int = 0
    depth: int = 0
    broken: str = ""
    """The property that does not hold."""
    story: list[str] = field(default_factory=list[str])
    """The steps that lead to where it does not."""
    seen: set[str] = field(default_factory=set[str])
    """The actions that happened at all."""


class Checker:
    """All states of one configuration under one set of rules."""

    def __init__(self, begin: World, rules: Rules) -> None:
        self._rules = rules
        self._worlds: list[World] = [begin]
        self._number: dict[World, int] = {begin: 0}
        self._came: list[tuple[int, str]] = [(-1, "")]
        self._depth: list[int] = [0]
        self._fair: list[list[int]] = []
        self.report = Report()

    def run(self) -> Report:
        """Visit everything; stops at the first violation."""
        waiting = deque([0])
        while waiting and not self.report.broken:
            number = waiting.popleft()
            self._fair.append([])
            for sentence, world, fair in self._successors(self._worlds[number]):
                self._arrive(number, sentence, world, fair, waiting)
        if not self.report.broken:
            self._look_at_the_ends()
        self.report.states = len(self._worlds)
        self.report.depth = self._depth[-1]
        return self.report

    def _successors(self, world: World) -> Iterator[tuple[str, World, bool]]:
        writable = world.writable
        for action in ACTIONS:
            if action.writes and not writable:
                continue
            for sentence, following in action.steps(world, self._rules):
                self.report.seen.add(action.name)
                yield sentence, following, action.fair

    def _arrive(self, source: int, sentence: str, world: World, fair: bool, waiting: deque[int]) -> None:
        self.report.steps += 1
        number = self._number.get(world)
        if number is None:
            number = len(self._worlds)
            self._number[world] = number
            self._worlds.append(world)
            self._came.append((source, sentence))
            self._depth.append(self._depth[source] + 1)
            waiting.append(number)
            self._look_at(number, INVARIANTS)
        if fair:
            self._fair[source].append(number)

    def _look_at(self, number: int, properties: tuple[Invariant, ...]) -> None:
        for holds in properties:
            if not self.report.broken and not holds(self._worlds[number]):
                self.report.broken = holds.__name__
                self.report.story = self._story(number)

    def _story(self, number: int) -> list[str]:
        sentences: list[str] = []
        while number:
            number, sentence = self._came[number]
            sentences.append(sentence)
        return sentences[::-1]

    def _look_at_the_ends(self) -> None:
        """Where fair steps alone can end up: what cannot be left any more has to be well.

        A fair run ends in a strongly connected part that no fair step leaves. A state that can reach a
        state that is well for good is no such part unless it is well itself, so it is enough to look for
        states from which no way leads to one.
        """
        back: list[list[int]] = [[] for _ in self._worlds]
        for source, targets in enumerate(self._fair):
            for target in targets:
                back[target].append(source)
        spoiled = _can_reach([not all_is_well_at_last(world) for world in self._worlds], back)
        mended = _can_reach([not bad for bad in spoiled], back)
        for number, possible in enumerate(mended):
            if not possible:
                self.report.broken = all_is_well_at_last.__name__
                self.report.story = [*self._story(number), "and from here no step of the product mends it"]
                return


def _can_reach(goal: Sequence[bool], back: Sequence[Sequence[int]]) -> list[bool]:
    """Of each state, whether it is in *goal* or steps lead from it to one that is. *back* has the steps reversed."""
    found = list(goal)
    waiting = deque(number for number, good in enumerate(found) if good)
    while waiting:
        for source in back[waiting.popleft()]:
            if not found[source]:
                found[source] = True
                waiting.append(source)
    return found


def check(begin: World, rules: Rules | None = None) -> Report:
    """Check one configuration."""
    return Checker(begin, rules or Rules()).run()
