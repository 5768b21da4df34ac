"""Whether memory ran out: the kernel's own counters of the processes that it has killed for that.

A kill for want of memory is a SIGKILL like any other. Certain is only the counter of a job's own group. Where a job has no
group that counts, a rise of its worker's group makes it likely, once for each process that was counted. A rise of the
whole machine's counter proves nothing: it may have been anybody's process; it is worth a hint.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterator

from agentsd.workers.cgroup import NoGroupError, counted, group_of, lines_of

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from agentsd.workers.leader import Leader

LOOK_EVERY = 0.4
"""Seconds at least between looks at the counters."""
RECENT = 3.0
"""Seconds for which a rise counts: a process with much memory takes its time to die."""
_V1 = "/sys/fs/cgroup/memory"
_MACHINE = "/proc/vmstat"


class OutOfMemoryWatch:
    """Remembers the counters of the last looks."""

    def __init__(self) -> None:
        self.group = next((path for path in _counters() if os.path.exists(path)), None)
        """The counter of the group that this process, and every job without one of its own, is in."""
        self.machine = _MACHINE
        self._looks: deque[tuple[float, dict[str, int | None]]] = deque()
        self._next_look = 0.0

    def look_if_due(self, now: float) -> None:
        """:meth:`look` if the last one was a while ago; *now* is ``time.monotonic()``."""
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            self.look()

    def look(self) -> None:
        """Remember how the counters stand."""
        self._forget_old()
        files = (self.machine,) if self.group is None else (self.group, self.machine)
        self._looks.append((time.monotonic(), {path: counted(path) for path in files}))

    def note(self, leader: Leader) -> None:
        """See whether the kernel killed for want of memory, in the job's group or, when it was killed, near it."""
        if leader.exit is None:
            return
        group = leader.slot.group
        leader.exit["oom_kills"] = group.oom_kills() - leader.slot.oom_before if group is not None else 0
        if leader.exit["signal"] != "SIGKILL" or leader.cause or leader.exit["oom_kills"]:
            return
        # A group of its own that counts and has counted nothing: whatever ran out, this job was not its victim.
        if not (group is not None and group.counts_memory) and self.explains():
            leader.exit["oom_suspicion"] = "in its worker's memory group"
        elif self.hints():
            leader.exit["oom_hint"] = "on this machine"

    def explains(self) -> bool:
        """Whether the kernel has just killed a process in the worker's group that no death was laid to yet."""
        if self.group is None or not self._has_risen(self.group):
            return False
        for _, look in self._looks:  # one process of those that were counted is this one
            if (before := look[self.group]) is not None:
                look[self.group] = before + 1
        return True

    def hints(self) -> bool:
        """Whether the kernel has just killed any process on this machine, whoever's."""
        return self._has_risen(self.machine)

    def _forget_old(self) -> None:
        """What rose long ago, while nothing ran, explains no death now."""
        while self._looks and self._looks[0][0] < time.monotonic() - RECENT:
            self._looks.popleft()

    def _has_risen(self, path: str) -> bool:
        """Against the oldest look; a counter that could not be read, then or now, proves nothing."""
        self._forget_old()
        before, now = self._looks[0][1][path] if self._looks else None, counted(path)
        return before is not None and now is not None and now > before


def _counters() -> Iterator[str]:
    """Where what is killed of this process's own group may be counted, the narrowest first."""
    with contextlib.suppress(NoGroupError):
        group = group_of()
        while group:  # without the controller in its own, a process counts in one above
            yield f"{group}/memory.events.local"
            yield f"{group}/memory.events"
            group = group.rpartition("/")[0]
    with contextlib.suppress(OSError):
        for line in lines_of("/proc/self/cgroup"):
            _, controllers, inside = line.split(":", 2)
            if "memory" in controllers.split(","):
                yield f"{_V1}/{inside.lstrip('/')}/memory.oom_control"
