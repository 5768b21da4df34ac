"""What belongs to one slot of a spawner and is used by one job after the other: control group, stack file, spare log folder."""

from __future__ import annotations

import errno
import os

from agentsd.workers.cgroup import Group, remove
from agentsd.workers.spare_log import SpareLog
from agentsd.workers.stack import StackFile

_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


class Slot:
    """One slot. ``group`` is None where there are no control groups, or this one could not be made."""

    def __init__(self, number: int, worker_group: str | None, spare_log: str = "") -> None:
        """*spare_log* is where its log folder lies while no job has it. Raises OSError if there is no descriptor left."""
        self.number = number
        self._worker_group = worker_group
        self.stack = StackFile() if hasattr(os, "memfd_create") else None
        self.group: Group | None = None
        self.oom_before = 0
        """What the group had counted when its job began."""
        self.log = SpareLog(spare_log)
        self.offered_log = ""
        """The folder that the next job may have for its log."""

    def prepare(self) -> None:
        """Before a fork: have a group in which nobody has been. Raises OSError if there is no descriptor left."""
        self.offered_log = self.log.offer()
        if self._worker_group is None:
            return
        try:
            if self.group is None:
                self.group = Group(self._free_name(self._worker_group))
            self.oom_before = self.group.oom_kills()
        except OSError as error:
            # Too many groups, or somebody has removed ours: the sweep ends what the job leaves.
            if error.errno in _NO_DESCRIPTOR:
                raise

    def _free_name(self, worker_group: str) -> str:
        """A name that is free: an earlier spawner may have left a group here with what KILL does not end."""
        path = f"{worker_group}/slot-{self.number}"
        remove(path)
        return f"{path}-{os.getpid()}" if os.path.exists(path) else path

    def enter(self) -> None:
        """In the job process: join the group. Where that fails, the sweep ends what the job leaves."""
        if self.group is not None:
            try:  # noqa: SIM105 - a function that is entered costs pages here
                self.group.join()
            except OSError:
                pass

    def is_empty(self) -> bool:
        """Whether nothing lives in the group. What does is killed."""
        if self.group is None or not self.group.is_populated():
            return True
        self.group.kill()
        return False

    def leave(self, *, clean: bool) -> None:
        """The job is gone. Only after a *clean* end its group is used again: another job may have set it, or be frozen in it."""
        if self.group is not None and not (clean and self.group.is_fresh):
            self.group.remove()
            self.group = None

    def close(self) -> None:
        """The spawner ends."""
        self.log.remove()
        if self.group is not None:
            self.group.remove()
            self.group = None
