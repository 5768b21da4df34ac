"""The writer mutex: one ``flock`` file around every write transaction and checkpoint.

SQLite has one writer anyway, but its busy handler is an unfair poll: 32 saturated claimers waited
3-4 s at worst, against 0.2-0.4 s with this file. It also closes the WAL-reset race of SQLite up to
3.51.2, because no checkpoint can run beside a commit. ``flock`` is released by the kernel when its
holder dies, so it can never be stale.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from agentsd.errors import StoreBusyError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.01
_MOST_TURNS = 10


class WriterMutex:
    """A lock file that one process at a time holds. Not re-entrant."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_acquire(self) -> bool:
        """Take the mutex if it is free; never blocks."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self, seconds: float) -> None:
        """Take the mutex. Raises StoreBusyError, naming the holder, if one process has held it for *seconds*.

        While it goes from hand to hand it is only busy, and is waited for: ``_MOST_TURNS`` times as long at most.
        """
        if self.try_acquire():
            return
        begun = time.monotonic()
        since, holder, look = begun, -1, begun
        pause = _FIRST_PAUSE
        while not self.try_acquire():
            now = time.monotonic()
            if now >= look:
                look = now + seconds / 10
                found = self.holder_pid()
                since, holder = (since, holder) if found == holder else (now, found)
            if now - since >= seconds:
                raise StoreBusyError(str(self._path), seconds, self.holder())
            if now - begun >= _MOST_TURNS * seconds:
                raise StoreBusyError(str(self._path), _MOST_TURNS * seconds, "one process after another")
            import random  # noqa: PLC0415 - hardly any command has to wait

            # The jitter keeps waiters that came together from colliding for ever.
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    def release(self) -> None:
        """Give the mutex back."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def holder(self) -> str:
        """Who holds the mutex, for a message: ``process 123`` where the kernel tells."""
        pid = self.holder_pid()
        return "another process" if pid is None else f"process {pid}"

    def holder_pid(self) -> int | None:
        """The process that holds the mutex; None if nobody does, or where the kernel does not tell."""
        inode = os.fstat(self._fd).st_ino
        try:
            lines = Path("/proc/locks").read_text().splitlines()
        except OSError:  # not Linux
            return None
        for line in lines:
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
                return int(fields[4])
        return None

    def close(self) -> None:
        """Close the file; releases the mutex if it is held."""
        os.close(self._fd)
