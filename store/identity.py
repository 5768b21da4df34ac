"""Whether the files of an open store are still those that others open. Asked before every transaction."""

from __future__ import annotations

import os
import time
from pathlib import Path

_SECOND = 1_000_000_000  # in nanoseconds, as times of files are
AT_REST = _SECOND // 10
"""The age of a change that no later one shares its time with: a file's time is that of a tick, which is 10 ms at most."""


class OpenFiles:
    """The database, its log and the index of the log, as they were when they were opened.

    They are looked at only when their folder has changed. To Linux (6.13), who looks at a file wants to tell its next
    write from those before, so that one gets an exact time, and with it an entry in the file system's journal: a
    look at the log before each commit made all of them half as long again.
    """

    def __init__(self, database: Path) -> None:
        names = [f"{database}{suffix}" for suffix in ("", "-wal", "-shm")]
        self._opened = [(name, _identity(name)) for name in names]
        self.folder = str(database.parent)
        self._is_linked = database.is_symlink()
        self.at_rest: tuple[int, int, int] | None = None
        """What the folder was when all of them were there, if any change after that would make it another."""

    def gone(self) -> str | None:
        """The one that was moved, deleted or replaced since; None if none was."""
        try:
            status = os.stat(self.folder)  # noqa: PTH116 - before each transaction, and a third of the time
        except FileNotFoundError:
            folder = None
        else:
            folder = status.st_dev, status.st_ino, status.st_ctime_ns
            if folder == self.at_rest:
                return None
        for name, opened in self._opened:
            if opened is not None and _identity(name) != opened:
                return name
        self.at_rest = folder if folder is not None and self._tells_the_next_change(folder[2]) else None
        return None

    def _tells_the_next_change(self, changed: int) -> bool:
        """Whether the folder's time will be another then: not so soon, in whole seconds, or if the file is elsewhere."""
        return time.time_ns() - changed > AT_REST and changed % _SECOND != 0 and not self._is_linked


def _identity(name: str) -> tuple[int, int] | None:
    """Device and inode of a file; None if there is none."""
    try:
        status = os.stat(name)  # noqa: PTH116 - as above
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
