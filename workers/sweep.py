"""Ending what a dead process left behind, as its subreaper.

Job processes and spawners are child subreapers: whatever a tool or a job leaves, daemonised or not, becomes
their *direct* child the moment its own parent dies. Only direct children are killed, because only they
cannot be mistaken: until this process reaps a child, nobody else gets its pid. Whatever was below a killed
child is a direct child in the next round, so rounds go on until none is left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection

from agentsd.workers.process import children

STUCK_AFTER = 3.0
"""Seconds that a killed process may take to die; then nobody waits for it any more."""
PAUSE = 0.001
"""Seconds between rounds while killed processes are still on their way out."""


def own_children() -> list[int]:
    """The direct children of this process, those of all its threads."""
    return children(os.getpid())


def sweep_round(known: Collection[int], list_children: Callable[[], list[int]] = own_children) -> list[int]:
    """KILL every direct child that is not *known* and reap those that are dead; returns all that were found.

    Finding none is the proof that none is left: a dead child counts until it is reaped, and by then what
    was below it is a direct child itself.
    """
    strays = [pid for pid in list_children() if pid not in known]
    for pid in strays:
        # One that has changed its user (``sudo``) may not be signalled: it is found again, like one that does not die.
        with contextlib.suppress(PermissionError):
            os.kill(pid, signal.SIGKILL)
        _reap(pid)
    return strays


def _reap(pid: int) -> None:
    # A handler's own Popen may have been faster.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def sweep(known: Collection[int], seconds: float) -> set[int]:
    """Rounds until none is left, or for *seconds*; returns all that were found."""
    deadline = time.monotonic() + seconds
    swept: set[int] = set()
    while (found := sweep_round(known)) and time.monotonic() < deadline:
        swept.update(found)
        time.sleep(PAUSE)
    return swept


class Standstill:
    """Tells that rounds find the very same processes for *seconds*: KILL does not end them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._found: frozenset[int] = frozenset()
        self._since = time.monotonic()

    def holds_for(self, found: Collection[int]) -> bool:
        """One round has *found* these."""
        if frozenset(found) != self._found:
            self._found, self._since = frozenset(found), time.monotonic()
        return bool(found) and time.monotonic() - self._since >= self._seconds
