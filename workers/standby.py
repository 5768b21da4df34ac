"""The processes that stand by in one spawner: how many there are, and how one gets its order."""

from __future__ import annotations

import os
import select
from collections import deque

from agentsd.workers.forks import Forks, Standby
from agentsd.workers.link import Link
from agentsd.workers.order import Order


class Standbys:
    """Those that wait, the oldest first, and the orders that are on their way to those that waited."""

    def __init__(self, forks: Forks, poll: select.poll, wanted: int) -> None:
        self._forks, self._poll, self._wanted = forks, poll, wanted
        self._waiting: deque[Standby] = deque()
        self._unsent: dict[int, Link] = {}
        """Desks with a part of an order that the kernel has no room for yet."""
        self.is_short = wanted > 0
        """Whether one more is to be forked."""
        self.has_changed = False
        """Whether :attr:`pids` are others than when it was set to False."""

    @property
    def pids(self) -> list[int]:
        """Of those that wait."""
        return [standby.pid for standby in self._waiting]

    def fork(self) -> Standby | None:
        """Have one more. Where that fails nothing is lost: the next job has its own forked, and is told."""
        self.is_short = False
        try:
            standby = self._forks.ahead()
        except OSError:
            return None
        self._waiting.append(standby)
        self.is_short, self.has_changed = len(self._waiting) < self._wanted, True
        return standby

    def take(self) -> Standby | None:
        """The one that has waited longest, for a job. In any case another one is wanted after that job."""
        self.is_short = self._wanted > 0
        if not self._waiting:
            return None
        self.has_changed = True
        return self._waiting.popleft()

    def lose(self, pidfd: int) -> int:
        """Somebody has ended the one with *pidfd*; returns its pid. The next is forked after a job: this cannot run hot."""
        standby = next(each for each in self._waiting if each.pidfd == pidfd)
        self._waiting.remove(standby)
        self.has_changed = True
        os.waitpid(standby.pid, os.WNOHANG)  # one that a debugger has to take first is reaped by a sweep
        os.close(pidfd)
        standby.desk.close()
        self._forks.give_back(standby.slot)
        return standby.pid

    # -- orders ------------------------------------------------------------------------------------

    def give(self, desk: Link, order: Order, body: bytes, channel_fd: int) -> None:
        """Give one that was taken its order. *channel_fd* is closed here."""
        desk.post(order.to_message(), body, channel_fd)
        if desk.flush():
            desk.close()
        else:  # a large payload goes out bit by bit, as its reader takes it
            self._unsent[desk.fileno()] = desk
            self._poll.register(desk, select.POLLOUT)

    def give_on(self, fd: int) -> bool:
        """If *fd* is a desk that has room again, or whose process is gone, go on there; else returns False."""
        desk = self._unsent.get(fd)
        if desk is None:
            return False
        if desk.flush():
            del self._unsent[fd]
            self._poll.unregister(fd)
            desk.close()
        return True
