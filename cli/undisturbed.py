"""Doing what must not stop half-way: signals that would end this process wait."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP)


@contextmanager
def undisturbed() -> Generator[None]:
    """While held, the signals that end or stop a process wait.

    One that comes after the last write has come too late: what was asked for is done, and is reported. If the block
    fails, they count: nothing was finished that they could interrupt.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
        while signal.sigtimedwait(ENDING, 0) is not None:
            continue
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
