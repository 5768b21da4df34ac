"""What names a process for ever.

A pid alone names nobody: it is reused. A process is (boot id, pid namespace, pid, start time), the start
time in raw clock ticks since boot, because psutil's ``create_time()`` follows the wall clock (a jump of an
hour moved it by an hour). Linux reads ``/proc``; elsewhere psutil answers (untested).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from agentsd.workers.process import LINUX, start_ticks, state


@dataclass(frozen=True, slots=True)
class Identity:
    """What names a process for ever. ``start`` is raw clock ticks since boot."""

    boot_id: str
    pid_namespace: str
    pid: int
    start: int

    @classmethod
    def current(cls) -> Identity:
        """This process."""
        pid = os.getpid()
        return cls(boot_id(), pid_namespace(), pid, start_ticks(pid) or 0)

    def is_here(self) -> bool:
        """Whether pids of that process mean anything to this one: same boot, same pid namespace."""
        return self.boot_id == boot_id() and self.pid_namespace == pid_namespace()

    def is_alive(self) -> bool:
        """Whether that very process lives (a zombie does not). Only where :meth:`is_here`."""
        return start_ticks(self.pid) == self.start and state(self.pid) != "Z"


def boot_id() -> str:
    """What names this boot of this host."""
    if not LINUX:  # untested: macOS
        import psutil  # noqa: PLC0415

        return str(int(psutil.boot_time()))
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def pid_namespace() -> str:
    """What names the pid namespace of this process, and the clock of its start times; empty where there are none.

    In another time namespace the same process has another start time, and would be taken for another process.
    """
    found = [Path(f"/proc/self/ns/{name}") for name in ("pid", "time")] if LINUX else []
    return " ".join(
        path.readlink().name for path in found if path.is_symlink()
    )  # no time namespaces before Linux 5.6
