"""Taking a kernel lock within some time, which the kernel itself does not offer."""

from __future__ import annotations

import fcntl
import time

from agentsd.plans.ports import Token

_POLL_SECONDS = 0.02


def acquire(descriptor: int, kind: int, seconds: float, token: Token | None = None) -> bool:
    """Take the lock *kind* of what is open as *descriptor*; False if others held it for *seconds*.

    Waits no longer than until *token* is set. OSError where nothing can be locked, JobCancelled.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        else:
            return True
        if token is None:
            time.sleep(_POLL_SECONDS)  # a kernel lock has no wait with a deadline
        elif token.wait(_POLL_SECONDS):
            token.raise_if_set()
