"""Where a job process hangs, or crashed: the Python stack of all its threads, written by the process itself.

The handler is C code: it works while native code holds the GIL, where no Python handler ever runs. It is installed
once, in the spawner, and inherited by fork, so a job pays one ``dup2`` for it. The stack goes into a file in
memory that belongs to the job's slot, and is not mixed with the job's output.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import signal

CHANNEL_FD = min(100, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1)
"""Where a job's way back to its supervisor goes: out of the way of handlers that close low descriptors."""
STACK_FD = CHANNEL_FD - 1
"""The descriptor that the handler in a job process writes to."""
LEAD = 0.05
"""Seconds before KILL at which a process that ignores TERM is asked for its stack; half the grace if that is less."""
LONGEST = 8000
"""Bytes of a stack that are kept."""
_SIGNAL = signal.SIGRTMAX - 3 if hasattr(signal, "SIGRTMAX") else None
_BOTTOM = "/agentsd/workers/child.py"
_MARK = "most recent call first"


def install() -> None:
    """Have this process and all that it forks write their stack when they crash, or are asked to."""
    if _SIGNAL is not None:
        faulthandler.enable(file=STACK_FD)
        faulthandler.register(_SIGNAL, file=STACK_FD)


def reserve_descriptors() -> None:
    """Have the numbers of a job's channel and stack taken, so that a spawner with many jobs gives them to nothing else."""
    null = os.open(os.devnull, os.O_RDONLY)
    for number in (STACK_FD, CHANNEL_FD):
        os.dup2(null, number, inheritable=False)
    os.close(null)


class StackFile:
    """The file in memory of one slot, used by one job after the other."""

    def __init__(self) -> None:
        self._fd = os.memfd_create("agents-stack")
        self._inode = os.fstat(self._fd).st_ino

    def become(self) -> None:
        """In the job process: let the handler find the file. Not inherited by what the job starts."""
        os.dup2(self._fd, STACK_FD, False)

    def ask(self, pid: int) -> None:
        """Have *pid*, which is not reaped, write its stack.

        Not if the file is not there: the process has closed it, and may have one of its own under that number, or
        it has become another program, which the signal would end.
        """
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}/fd/{STACK_FD}").st_ino == self._inode and _SIGNAL is not None:
                os.kill(pid, _SIGNAL)

    def take(self) -> str:
        """What was written, and nothing from now on; empty without a stack."""
        size = os.fstat(self._fd).st_size
        if not size:
            return ""
        text = os.pread(self._fd, LONGEST, 0).decode(errors="replace")
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)  # the job's descriptor shared the position
        if _MARK not in text:
            return ""  # a job that scribbles into every descriptor
        return _without_ours(text if size <= LONGEST else f"{text}\n… and {size - LONGEST} bytes more")


def _without_ours(text: str) -> str:
    """The stack without the frames that every job process has at its bottom."""
    kept: list[str] = []
    ours = False
    for line in text.splitlines():
        ours = (ours or _BOTTOM in line) and line.startswith("  File ")
        if not ours:
            kept.append(line)
    return "\n".join(kept)
