"""Forking the processes that stand by.

A process is forked before it has a job: on a machine where nobody has joined a control group for some milliseconds the
kernel takes 10 to 20 to let it join one (it waits for a grace period of RCU), and a job that waits would wait for that.
"""

from __future__ import annotations

import os
import signal

from agentsd.faults import reach
from agentsd.workers import kernel
from agentsd.workers.board import Board
from agentsd.workers.child import stand_by
from agentsd.workers.process import LINUX, start_ticks
from agentsd.workers.slot import Slot


class Standby:
    """A process that waits for its order, as its spawner sees it.

    ``pidfd`` is -1 where there are none, ``start`` raw clock ticks, ``channel_fd`` the supervisor's way to it: that goes along
    with the message that tells of it.
    """

    __slots__ = ("channel_fd", "pid", "pidfd", "slot", "start")

    def __init__(self, pid: int, pidfd: int, start: int, slot: Slot, channel_fd: int) -> None:
        self.pid, self.pidfd, self.start, self.slot, self.channel_fd = pid, pidfd, start, slot, channel_fd


class Forks:
    """Makes the children of one spawner, each in a slot of its own."""

    def __init__(self, board: Board, worker_group: str | None, spare_logs: str = "") -> None:
        """*spare_logs* begins the path of each slot's spare log folder; empty: there are none."""
        self._board, self._worker_group, self._spare_logs = board, worker_group, spare_logs
        self._slots: dict[int, Slot] = {}
        self._spawner = os.getpid()

    def in_a_row(self, number: int) -> tuple[list[Standby], str]:
        """Fork *number* processes; returns those that live, and why they are fewer, or the empty string.

        In a row, and whatever is to be done for each of them afterwards: after a fork each page of this process costs a
        fault when it is next written, and here the next fork follows before many are.
        """
        forked: list[tuple[int, Slot, int]] = []
        made: list[Standby] = []
        problem = ""
        try:
            for _ in range(number):
                forked.append(self._fork())
        except OSError as error:
            problem = str(error)
        for pid, slot, channel_fd in forked:
            try:
                made.append(Standby(pid, *self._watch(pid, slot), slot, channel_fd))
            except OSError as error:
                os.close(channel_fd)
                problem = str(error)
        return made, problem

    def give_back(self, slot: Slot) -> None:
        """Nothing of the process that had the slot is left."""
        self._board.give_back(slot.number)

    def close(self) -> None:
        """The spawner ends."""
        for slot in self._slots.values():
            slot.close()

    def _fork(self) -> tuple[int, Slot, int]:
        """One fork; in this process. Raises OSError."""
        slot = self._take_slot()
        try:
            ours, theirs = kernel.socket_pair()
        except OSError:
            self.give_back(slot)
            raise
        try:
            reach("fork.before")
            pid = os.fork()
        except OSError:
            os.close(ours)
            os.close(theirs)
            self.give_back(slot)
            raise
        if pid == 0:
            stand_by(theirs, self._board, slot, self._spawner)
        os.close(theirs)
        return pid, slot, ours

    def _take_slot(self) -> Slot:
        """A slot that is ready for a fork. Raises OSError if there is none, or no descriptor left."""
        number = self._board.take_slot()
        try:
            slot = self._slots.get(number)
            if slot is None:
                spare_log = f"{self._spare_logs}-{number}" if self._spare_logs else ""
                slot = self._slots[number] = Slot(number, self._worker_group, spare_log)
            slot.prepare()
        except OSError:
            self._board.give_back(number)
            raise
        return slot

    def _watch(self, pid: int, slot: Slot) -> tuple[int, int]:
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
