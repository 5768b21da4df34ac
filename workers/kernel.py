"""The few calls to the kernel that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36

if sys.platform == "linux":
    _libc = ctypes.CDLL(None, use_errno=True)

    def _prctl(option: int, value: int) -> None:
        if _libc.prctl(option, value, 0, 0, 0) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), "prctl")

    def die_with_parent() -> None:
        """Have the kernel KILL this process when the *thread* that forked it ends. Not inherited by fork."""
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def adopt_orphans() -> None:
        """Become the parent of descendants whose own parent dies (a child subreaper)."""
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)

else:  # untested: macOS has neither; a job ends at its deadline timer or at the next start

    def die_with_parent() -> None:
        """Nothing: this system has no such signal."""

    def adopt_orphans() -> None:
        """Nothing: this system has no subreapers."""
