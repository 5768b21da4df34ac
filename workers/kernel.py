"""The few calls to the kernel that Python has no function for, or only a dear one.

``signal`` turns numbers into enums and back: half a millisecond in a job process, which has to copy every page that it
touches for the first time. What is meant for the hot path comes from the C module below it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from _signal import pthread_sigmask, setitimer, sigpending  # pyright: ignore[reportMissingModuleSource]
from _signal import signal as set_handler  # pyright: ignore[reportMissingModuleSource]
from _socket import socketpair  # pyright: ignore[reportMissingModuleSource]
from contextlib import suppress

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36

__all__ = [
    "adopt_orphans",
    "die_with_parent",
    "give_back_memory",
    "nobody_else_has",
    "pthread_sigmask",
    "set_handler",
    "setitimer",
    "sigpending",
    "socket_pair",
]


def socket_pair() -> tuple[int, int]:
    """Two connected descriptors, not inherited by what this process starts. Raises OSError."""
    one, other = socketpair()
    return one.detach(), other.detach()


if sys.platform == "linux":
    # The quick one keeps no errno, nor does it let go of the GIL: the careful one tells why, if it fails again.
    _quick = ctypes.PyDLL(None).prctl
    _careful = ctypes.CDLL(None, use_errno=True).prctl

    def _prctl(option: int, value: int) -> None:
        if _quick(option, value, 0, 0, 0) != 0 and _careful(option, value, 0, 0, 0) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), "prctl")

    def die_with_parent() -> None:
        """Have the kernel KILL this process when the *thread* that forked it ends. Not inherited by fork."""
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    _fcntl = ctypes.PyDLL(None).fcntl
    _F_SETLEASE, _F_WRLCK, _F_UNLCK = 1024, 1, 2  # asm-generic/fcntl.h

    def nobody_else_has(fd: int) -> bool:
        """Whether this descriptor is the only one that its file is open by; False where that cannot be told."""
        if _fcntl(fd, _F_SETLEASE, _F_WRLCK) != 0:
            return False
        _fcntl(fd, _F_SETLEASE, _F_UNLCK)
        return True

    def give_back_memory() -> None:
        """Have the C library give back what is free in its heap: each page that is there costs in every fork."""
        with suppress(AttributeError):  # not the GNU C library
            ctypes.CDLL(None).malloc_trim(0)

    def adopt_orphans() -> None:
        """Become the parent of descendants whose own parent dies (a child subreaper)."""
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)

else:  # untested: macOS has neither; a job ends at its deadline timer or at the next start

    def nobody_else_has(_fd: int) -> bool:
        """False: this system does not tell."""
        return False

    def give_back_memory() -> None:
        """Nothing: this system's C library does it by itself."""

    def die_with_parent() -> None:
        """Nothing: this system has no such signal."""

    def adopt_orphans() -> None:
        """Nothing: this system has no subreapers."""
