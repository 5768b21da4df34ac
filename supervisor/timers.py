"""Timers of the supervisor's loop: a heap on ``time.monotonic()``, which no clock change moves."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable


class Timers:
    """Calls that are due at a moment. A name has at most one timer; setting it again moves it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._calls: dict[int, tuple[str, Callable[[], None]]] = {}
        self._numbers: dict[str, int] = {}
        self._count = itertools.count()

    def set(self, name: str, delay: float, call: Callable[[], None]) -> None:
        """Have *call* called in *delay* seconds, instead of whatever *name* stood for."""
        self.cancel(name)
        number = next(self._count)
        self._calls[number] = (name, call)
        self._numbers[name] = number
        heapq.heappush(self._heap, (time.monotonic() + delay, number))

    def cancel(self, name: str) -> None:
        """Forget the timer *name*, if there is one."""
        number = self._numbers.pop(name, None)
        if number is not None:
            del self._calls[number]

    def is_set(self, name: str) -> bool:
        """Whether the timer *name* is there and was not due yet."""
        return name in self._numbers

    def patience(self) -> float | None:
        """Seconds until the next one is due; None if there is none."""
        while self._heap and self._heap[0][1] not in self._calls:
            heapq.heappop(self._heap)
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    def run_due(self) -> None:
        """Make the calls that are due."""
        while self.patience() == 0.0:
            _, number = heapq.heappop(self._heap)
            name, call = self._calls.pop(number)
            del self._numbers[name]
            call()
