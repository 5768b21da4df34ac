"""The processes that stand by in one spawner: how many there are, and when the next are forked."""

from __future__ import annotations

import math
import os
import select
import signal
from collections.abc import Callable

from agentsd.workers.forks import Forks, Standby
from agentsd.workers.process import signal_name

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds until a fork that failed is tried again, at first and at most; also after a process that somebody has ended."""


class Standbys:
    """Those that wait, the oldest first."""

    def __init__(
        self, forks: Forks, poll: select.poll, known: set[int], tell: Callable[[Standby], None]
    ) -> None:
        """*known* are the children that are no orphans; *poll* hears of their ends; *tell* is told of each new one."""
        self._forks, self._poll, self._known, self._tell = forks, poll, known, tell
        self._wanted = 0
        self._waiting: dict[int, Standby] = {}
        self._by_fd: dict[int, Standby] = {}
        self._surplus: set[int] = set()
        """Those that were told to end and have not yet."""
        self._held: list[Standby] = []
        """Those that are dead, and that a debugger has to take first."""
        self._pause = 0.0
        self.due = math.inf
        """When to fork after a pause; ``time.monotonic()``."""
        self.is_short = False
        """Whether so few wait that the next are to be forked at once."""
        self.lacks = False
        """Whether there are fewer than wanted: then the rest is forked when it is quiet."""
        self.has_changed = False
        """Whether :attr:`pids` are others than when it was set to False."""

    @property
    def pids(self) -> list[int]:
        """Of those that wait."""
        return [*self._waiting]

    def want(self, number: int) -> None:
        """From now on, so many are to wait. The newest of those that are too many are ended."""
        self._wanted = number
        left = [pid for pid in self._waiting if pid not in self._surplus]
        for pid in left[number:]:
            self._surplus.add(pid)
            os.kill(pid, signal.SIGKILL)  # a child that is not reaped: it can hit nobody else
        self._reckon()

    def refill(self, now: float) -> str:
        """Fork as many as are wanted; returns why there are fewer, or the empty string. *now* is ``time.monotonic()``."""
        if self._held:
            self._held = [standby for standby in self._held if self._bury(standby) is None]
        made, problem = self._forks.in_a_row(self._wanted - len(self._waiting) + len(self._surplus))
        for standby in made:
            self._known.add(standby.pid)
            self._waiting[standby.pid] = standby
            if standby.pidfd >= 0:
                self._poll.register(standby.pidfd, select.POLLIN)
                self._by_fd[standby.pidfd] = standby
            self._tell(standby)
        self.has_changed = True
        self.due = math.inf
        if problem:
            self._rest(now)
        self._reckon()
        return problem

    def lead(self, pid: int) -> Standby | None:
        """This one has a job from now on. None: it is gone."""
        standby = self._waiting.pop(pid, None)
        if standby is not None:
            self._by_fd.pop(standby.pidfd, None)
            self._surplus.discard(pid)
            self._pause = 0.0  # it works
            self.has_changed = True
            self._reckon()
        return standby

    def lose(self, standby: Standby, now: float) -> str:
        """One has ended; returns how, empty if it was told to. The next is forked after a pause: this cannot run hot."""
        del self._waiting[standby.pid]
        self._by_fd.pop(standby.pidfd, None)
        self.has_changed = True
        was_told_to = standby.pid in self._surplus
        self._surplus.discard(standby.pid)
        code = self._bury(standby)
        if code is None:
            self._held.append(standby)
        if not was_told_to:
            self._rest(now)
        self._reckon()
        return "" if was_told_to else _how(code)

    def _rest(self, now: float) -> None:
        if self.due == math.inf:  # those that have ended together are one reason for a pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE) or FIRST_PAUSE
            self.due = now + self._pause

    def _reckon(self) -> None:
        waiting = len(self._waiting) - len(self._surplus)
        self.lacks = waiting < self._wanted and self.due == math.inf
        # Not one by one: forks in a row cost less (see Forks).
        self.is_short = self.lacks and waiting <= (self._wanted - 1) // 2

    def _bury(self, standby: Standby) -> int | None:
        """Reap it, if it can be reaped now; until then its slot is taken, and no sweep lays it to a job.

        Returns its exit code, or None.
        """
        reaped, status = os.waitpid(standby.pid, os.WNOHANG)
        if not reaped:
            return None
        self._known.discard(standby.pid)
        if standby.pidfd >= 0:
            os.close(standby.pidfd)
        if standby.slot.stack is not None:
            standby.slot.stack.take()
        self._forks.give_back(standby.slot)
        return os.waitstatus_to_exitcode(status)

    def ended(self) -> list[Standby]:
        """Those that have ended, where no descriptor tells."""
        wait = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return [each for each in self._waiting.values() if os.waitid(os.P_PID, each.pid, wait) is not None]

    def of(self, pidfd: int) -> Standby | None:
        """Which of them it is."""
        return self._by_fd.get(pidfd)


def _how(code: int | None) -> str:
    if code is None:
        return "a debugger holds it"
    return signal_name(-code) if code < 0 else f"exit code {code}"
