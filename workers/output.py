"""How much a job writes: looking at its log directory, the sooner the faster it grows, and cutting it.

Sizes are watched, because RLIMIT_FSIZE would kill a tool that writes a large file of its own.
"""

from __future__ import annotations

import os
import time

SHORTEST, LONGEST = 0.02, 0.5
"""Seconds between looks. In the shortest, a program at a gigabyte a second writes 20 MB."""


class OutputWatch:
    """The size of one job's output, look by look. Times are ``time.monotonic()``."""

    __slots__ = ("_at", "_limit", "_log_dir", "_pause", "_size", "due", "may")

    def __init__(self, log_dir: str, limit: int) -> None:
        self._log_dir, self._limit = log_dir, limit
        self._size, self._at = 0, time.monotonic()
        self._pause = SHORTEST
        self.due = self.may = self._at + SHORTEST
        """When to look again, and from when on to look along if others are looked at: looks of several jobs fall together."""

    def look(self) -> bool:
        """See how much there is; returns whether it is too much. What is too much is cut off at once.

        So that a job that ignores TERM, or has one more gigabyte to say in its grace, does not fill the disk.
        """
        now, size = time.monotonic(), bytes_in(self._log_dir)
        rate = (size - self._size) / max(now - self._at, 0.001)
        room = self._limit - size
        # Half the time that is left at this rate, and never more than twice what the last pause was.
        left = room / rate / 2 if rate > 0 else LONGEST
        self._pause = min(max(SHORTEST, left), 2 * self._pause, LONGEST)
        self._size, self._at = size, now
        self.due, self.may = now + self._pause, now + 0.75 * self._pause
        if room < 0:
            cut_logs(self._log_dir, self._limit)
            self._size = self._limit
        return room < 0


def bytes_in(directory: str) -> int:
    """Bytes of all files in a job's log directory."""
    try:
        with os.scandir(directory) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


def cut_logs(directory: str, limit: int) -> None:
    """Cut what a job wrote past *limit* bytes, the largest file first. Writers go on at the new end.

    Files only: a link that a job has put there may lead anywhere.
    """
    try:
        with os.scandir(directory) as entries:
            sizes = {
                entry.path: entry.stat(follow_symlinks=False).st_size
                for entry in entries
                if entry.is_file(follow_symlinks=False)
            }
        excess = sum(sizes.values()) - limit
        for path in sorted(sizes, key=sizes.__getitem__, reverse=True) if excess > 0 else ():
            cut = min(excess, sizes[path])
            os.truncate(path, sizes[path] - cut)
            excess -= cut
    except OSError:
        return
