"""A clock that stands still until it is told to go on, and a token that sleeps by it."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from agentsd.errors import InvalidInputError
from agentsd.model import TIME_FORMAT
from agentsd.workers.token import CancellationToken

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until :meth:`advance`. It begins on 2026-01-01, 00:00 UTC, unless told otherwise.

    It is seen by :class:`FakeToken`, :func:`run_inline` and :func:`temporary_store`. Nobody else's clock changes: a
    handler that calls ``time.sleep``, and a tool that it runs, take their real time.
    """

    def __init__(self, start: datetime = _BEGIN) -> None:
        self._start, self._elapsed = start, 0.0
        self._planned: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self._elapsed

    @property
    def now(self) -> datetime:
        """The time it shows."""
        return self._start + timedelta(seconds=self._elapsed)

    @property
    def text(self) -> str:
        """The same as the store writes times: RFC 3339 UTC, ``2026-01-01T00:00:00.000000Z``."""
        return self.now.astimezone(UTC).strftime(TIME_FORMAT)

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Call *act* as soon as *seconds* have passed since the clock began; now, if they have already."""
        if seconds <= self._elapsed:
            act()
        else:
            heapq.heappush(self._planned, (seconds, next(self._order), act))

    def advance(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Go on by *seconds*, and call what was planned for the time between, in its order.

        Stops early as soon as *until* holds. ``math.inf`` goes from one planned thing to the next. Raises
        InvalidInputError if *seconds* is below 0, or infinite and nothing planned makes *until* hold.
        """
        if not seconds >= 0:
            raise InvalidInputError("seconds", expected="a number that is not below 0", got=seconds)
        end = self._elapsed + seconds
        while self._planned and self._planned[0][0] <= end and not until():
            moment, _, act = heapq.heappop(self._planned)
            self._elapsed = moment
            act()
        if until():
            return
        if math.isinf(end):
            raise InvalidInputError(
                "seconds", expected="an end, as nothing more is planned", got="a wait for ever"
            )
        self._elapsed = end


class FakeToken(CancellationToken):
    """A token that a test sets, and whose :meth:`wait` moves a :class:`FakeClock` instead of sleeping.

    A handler that waits for a token which nobody will ever set gets InvalidInputError instead of hanging.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        super().__init__(lambda: self._cause)
        self.clock = clock or FakeClock()
        self._cause = ""
        self._when = 0.0

    def set(self, reason: str = "cancelled") -> None:
        """Ask the job to end, as a worker does. *reason*: ``cancelled``, ``timeout`` or ``shutdown``. The first counts.

        Raises JobCancelled in a handler that runs and has not asked for the token.
        """
        if not self._is_set and not self._sealed:
            self._cause, self._when = reason, self.clock.elapsed
            self._set()
        self._raise_in_unwatching()

    @property
    def age(self) -> float:
        """Seconds of the clock since the token was set; 0 if it was not."""
        return self.clock.elapsed - self._when if self._is_set else 0.0

    def wait(self, timeout: float | None = None) -> bool:
        """Move the clock until the token is set or *timeout* seconds have passed; returns whether it is set."""
        self.clock.advance(math.inf if timeout is None else timeout, until=lambda: self._is_set)
        return self._is_set
