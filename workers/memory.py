"""Whether memory ran out: the kernel's own counters of the processes that it has killed for that.

A kill for want of memory is a SIGKILL like any other. Certain is only the counter of a job's own group; a counter of the
worker's group or of the machine that has risen just before makes it likely.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from agentsd.workers.cgroup import NoGroupError, counted, group_of

RECENT = 3.0
"""Seconds for which a rise counts: a process with much memory takes its time to die."""
_V1 = Path("/sys/fs/cgroup/memory")
_MACHINE = Path("/proc/vmstat")


class OutOfMemoryWatch:
    """Remembers the counters of the last looks."""

    def __init__(self) -> None:
        self._files = {path: words for path, words in _counters() if path.exists()}
        self._looks: deque[tuple[float, dict[Path, int | None]]] = deque()

    def look(self) -> None:
        """Remember how the counters stand."""
        self._forget_old()
        self._looks.append((time.monotonic(), {path: counted(path) for path in self._files}))

    def suspicion(self) -> str:
        """Where memory ran out just now; empty if nowhere."""
        self._forget_old()
        return next((words for path, words in self._files.items() if self._has_risen(path)), "")

    def _forget_old(self) -> None:
        """What rose long ago, while nothing ran, explains no death now."""
        while self._looks and self._looks[0][0] < time.monotonic() - RECENT:
            self._looks.popleft()

    def _has_risen(self, path: Path) -> bool:
        """Against the oldest look; a counter that could not be read, then or now, proves nothing."""
        before, now = self._looks[0][1][path] if self._looks else None, counted(path)
        return before is not None and now is not None and now > before


def _counters() -> Iterator[tuple[Path, str]]:
    """Every counter that there may be, the narrowest first."""
    with contextlib.suppress(NoGroupError):
        yield group_of() / "memory.events", "in its worker's memory group"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, inside = line.split(":", 2)
            if "memory" in controllers.split(","):
                yield _V1 / inside.lstrip("/") / "memory.oom_control", "in its worker's memory group"
    yield _MACHINE, "on this machine"
