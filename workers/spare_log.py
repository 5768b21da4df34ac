"""The log folder of a job that said nothing, for the next job of its slot.

Each job has a folder with a file for its output, before anybody knows whether there will be any. To make the two takes 70 µs
where the disk rests, and a millisecond on an ext4 from which much was removed lately, as sandboxes are: it passes over every
inode that was in use a short while ago. A rename takes 10 µs.

Whoever reads the log of a job must never read another one's. So a folder is handed on only if nothing was ever written
there and nobody has the file open: the kernel grants a lease for writing on no other file (see fcntl(2), ``F_SETLEASE``).
That is asked twice, when its job is over and before the next one gets it: who had looked up the name and not
yet opened it the first time, has done so by then.
"""

from __future__ import annotations

import contextlib
import os

from agentsd.workers import kernel

JOB_LOG = "job.log"
_FOLDER_MODE, _FILE_MODE = 0o40700, 0o100600  # of a folder and a file that nobody has changed


class SpareLog:
    """The folder that one slot has over. ``path`` is where it lies meanwhile; empty: none is kept."""

    __slots__ = ("_is_there", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._is_there = False

    def keep(self, folder: str) -> None:
        """A job is over: take its folder, if it is as good as new."""
        if not self.path or not _is_untouched(folder):
            return
        try:
            os.rename(folder, self.path)
            self._is_there = True
        except OSError:  # the one from before is still there, or the place for it is gone
            self._is_there = os.path.exists(self.path)

    def offer(self) -> str:
        """Where the next job finds a folder; empty if it has to make one."""
        return self.path if self._is_there and _is_untouched(self.path) else ""

    def remove(self) -> None:
        """There is no next job."""
        if self._is_there:
            with contextlib.suppress(OSError):
                os.unlink(f"{self.path}/{JOB_LOG}")
                os.rmdir(self.path)


def _is_untouched(folder: str) -> bool:
    """Whether nothing but an empty log is there, and nobody has it open."""
    try:
        if os.listdir(folder) != [JOB_LOG] or os.stat(folder).st_mode != _FOLDER_MODE:
            return False
        fd = os.open(f"{folder}/{JOB_LOG}", os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = os.fstat(fd)
        is_new = found.st_size == 0 and found.st_nlink == 1 and found.st_mode == _FILE_MODE
        return is_new and kernel.nobody_else_has(fd)
    finally:
        os.close(fd)


def open_log(folder: str, spare: str) -> int:
    """In the job process: the file for its output. *spare* is a folder that it may have, or empty. Raises OSError."""
    try:
        if spare:
            os.rename(spare, folder)
        else:
            os.mkdir(folder, 0o700)
    except (
        OSError
    ):  # it has one from a process that died before it began; or somebody has removed the spare one
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    return os.open(f"{folder}/{JOB_LOG}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
