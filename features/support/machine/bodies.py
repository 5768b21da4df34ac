"""Real processes that stand in for supervisors, spawners and jobs: they do nothing but live until killed."""

from __future__ import annotations

import contextlib
import os
import signal

from agentsd.workers.process import MARKER
from support.processes import is_alive


class Bodies:
    """All of one run, so that none is left at its end."""

    def __init__(self) -> None:
        self._pids: set[int] = set()

    def start(self, worker_id: str = "") -> int:
        """A process that carries the marker of *worker_id*, if there is one."""
        environment = {MARKER: worker_id} if worker_id else {}
        pid = os.posix_spawnp("sleep", ["sleep", "600"], {"PATH": os.environ["PATH"], **environment})
        self._pids.add(pid)
        return pid

    def is_alive(self, pid: int) -> bool:
        """Whether it lives; a dead one is reaped."""
        if pid not in self._pids:
            return False
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                return True
        self._pids.discard(pid)
        return False

    def kill(self, pid: int) -> None:
        """SIGKILL it and wait until it is gone."""
        if pid in self._pids and is_alive(pid):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        self._pids.discard(pid)

    def kill_all(self) -> None:
        """End what is left."""
        for pid in list(self._pids):
            self.kill(pid)
