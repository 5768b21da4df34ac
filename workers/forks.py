"""Forking job processes: for a job that waits, or ahead of one.

A fork for a job copies its order along. Before a process is the job's own it joins a control group, and on a machine
where nobody has done that for some milliseconds the kernel takes 10 to 20 for it (it waits for a grace period of
RCU). So while it is quiet a process is forked ahead, does what does not depend on a job, and stands by.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable

from agentsd.faults import reach
from agentsd.workers.board import Board
from agentsd.workers.child import run_job, stand_by
from agentsd.workers.link import Link
from agentsd.workers.order import Order
from agentsd.workers.process import LINUX, start_ticks
from agentsd.workers.slot import Slot

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from typing import NoReturn


class Standby:
    """A process that waits for its order, as its spawner sees it.

    ``pidfd`` is -1 where there are none, ``start`` raw clock ticks, ``desk`` where the order goes in.
    """

    __slots__ = ("desk", "pid", "pidfd", "slot", "start")

    def __init__(self, pid: int, pidfd: int, start: int, slot: Slot, desk: Link) -> None:
        self.pid, self.pidfd, self.start, self.slot, self.desk = pid, pidfd, start, slot, desk


class Forks:
    """Makes the children of one spawner, each in a slot of its own."""

    def __init__(self, board: Board, worker_group: str | None) -> None:
        self._board, self._worker_group = board, worker_group
        self._slots: dict[int, Slot] = {}
        self._spawner = os.getpid()

    def for_job(self, order: Order, body: bytes, channel_fd: int) -> tuple[int, Slot]:
        """Fork a process for a job; it is to be watched. Raises OSError."""
        slot = self._take_slot()
        return self._fork(
            slot, lambda: run_job(order, body, channel_fd, self._board, slot, self._spawner)
        ), slot

    def ahead(self) -> Standby:
        """Fork a process that stands by. Raises OSError."""
        ours, theirs = socket.socketpair()
        giver, desk = Link(ours), Link(theirs)
        with theirs:
            try:
                slot = self._take_slot()
                pid = self._fork(slot, lambda: stand_by(desk, self._board, slot, self._spawner))
                return Standby(pid, *self.watch(pid, slot), slot, giver)
            except OSError:
                giver.close()
                raise

    def watch(self, pid: int, slot: Slot) -> tuple[int, int]:
        """The pidfd and the start time of a child that was just forked.

        Raises OSError, and the child is gone: one that nobody could wait for must not run.
        """
        pidfd = -1
        try:
            reach("fork.forked")
            if LINUX:
                pidfd = os.pidfd_open(pid)
            return pidfd, start_ticks(pid) or 0
        except OSError:  # no descriptor left
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if pidfd >= 0:
                os.close(pidfd)
            self.give_back(slot)
            raise

    def give_back(self, slot: Slot) -> None:
        """Nothing of the process that had the slot is left."""
        self._board.give_back(slot.number)

    def close(self) -> None:
        """The spawner ends."""
        for slot in self._slots.values():
            slot.close()

    def _take_slot(self) -> Slot:
        """A slot that is ready for a fork. Raises OSError if there is none, or no descriptor left."""
        number = self._board.take_slot()
        try:
            slot = self._slots.get(number)
            if slot is None:
                slot = self._slots[number] = Slot(number, self._worker_group)
            if self._worker_group is not None:
                slot.prepare()
        except OSError:
            self._board.give_back(number)
            raise
        return slot

    def _fork(self, slot: Slot, live: Callable[[], NoReturn]) -> int:
        try:
            reach("fork.before")
            pid = os.fork()
        except OSError:
            self.give_back(slot)
            raise
        if pid == 0:
            live()
        return pid
