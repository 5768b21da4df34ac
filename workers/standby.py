"""The processes that stand by in one spawner: how many there are, and how one gets its order."""

from __future__ import annotations

import os
import select
import signal
from collections import deque

from agentsd.workers.forks import Forks, Standby
from agentsd.workers.link import Link
from agentsd.workers.order import Order


class Standbys:
    """Those that wait, the oldest first, and the orders that are on their way to those that waited."""

    def __init__(self, forks: Forks, poll: select.poll, known: set[int], wanted: int) -> None:
        """*known* are the children that are no orphans; *poll* hears of their ends."""
        self._forks, self._poll, self._known, self._wanted = forks, poll, known, wanted
        self._waiting: deque[Standby] = deque()
        self._held: list[Standby] = []
        """Those that are dead, and that a debugger has to take first."""
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

    def fork(self) -> None:
        """Have one more. Where that fails nothing is lost: the next job has its own forked, and is told."""
        self.is_short = False
        try:
            standby = self._forks.ahead()
        except OSError:
            return
        self._known.add(standby.pid)
        if standby.pidfd >= 0:
            self._poll.register(standby.pidfd, select.POLLIN)
        self._waiting.append(standby)
        self.is_short, self.has_changed = len(self._waiting) < self._wanted, True

    def take(self) -> Standby | None:
        """The one that has waited longest, for a job. In any case another one is wanted after that job."""
        self.is_short = self._wanted > 0
        if self._held:
            self._held = [standby for standby in self._held if self._bury(standby) is None]
        if not self._waiting:
            return None
        self.has_changed = True
        return self._waiting.popleft()

    def lose(self, pid: int) -> bool:
        """Somebody has ended one of them; returns whether by KILL. The next is forked after a job: this cannot run hot."""
        standby = next(each for each in self._waiting if each.pid == pid)
        self._waiting.remove(standby)
        self.is_short, self.has_changed = False, True
        standby.desk.close()
        code = self._bury(standby)
        if code is None:
            self._held.append(standby)
        return code == -signal.SIGKILL

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

    def ended(self) -> list[int]:
        """Those that have ended, where no descriptor tells."""
        wait = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return [pid for pid in self.pids if os.waitid(os.P_PID, pid, wait) is not None]

    def pid_of(self, pidfd: int) -> int:
        """Which of them it is."""
        return next(standby.pid for standby in self._waiting if standby.pidfd == pidfd)

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
