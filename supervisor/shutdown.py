"""Stopping in three stages: let jobs finish, then TERM them, then KILL them.

The first signal stops claiming and gives the jobs ``async.shutdown_grace``; the second, or the end of that
grace, sends TERM; the third KILLs. A job that is ended so is ``failed``/``interrupted`` and queued anew.
"""

from __future__ import annotations

import signal

from agentsd.faults import reach
from agentsd.store.settings import Settings
from agentsd.supervisor.fleet import Fleet
from agentsd.supervisor.notices import Listener, Notice
from agentsd.supervisor.running import Stage
from agentsd.supervisor.timers import Timers

_LAST = 3  # KILL
_MARGIN = 5.0  # seconds after the grace in which a killed tree is swept and its end written


class Shutdown:
    """How far the stopping of a supervisor has come."""

    def __init__(self, fleet: Fleet, timers: Timers, listener: Listener) -> None:
        self._fleet, self._timers, self._listener = fleet, timers, listener
        self._stage = 0
        self._draining = False

    @property
    def begun(self) -> bool:
        """Whether no more jobs are to be claimed."""
        return self._draining or self._stage > 0

    def drain(self) -> None:
        """Claim no more and end when the last job has ended, however long that takes."""
        if not self.begun:
            self._draining = True
            self._listener(Notice("draining", {"running": self._running()}))

    def _running(self) -> int:
        return sum(running.stage is not Stage.ENDED for running in self._fleet.running.values())

    @property
    def impatient(self) -> bool:
        """Whether the last stage is reached."""
        return self._stage >= _LAST

    def hang_up(self, settings: Settings) -> None:
        """The terminal is gone: begin to stop, and no more than that.

        Who closes a window is told twice, by the shell and by the kernel: that is no "once more".
        """
        if self._stage == 0:
            self.step(settings)

    def step(self, settings: Settings) -> None:
        """One more signal (or the end of a stage's time): go one stage further."""
        self._stage += 1
        reach("shutdown.step")
        self._listener(Notice("stopping", {"stage": min(self._stage, _LAST), "running": self._running()}))
        match self._stage:
            case 1:
                self._go_on_after(settings.shutdown_grace, settings)
            case 2:
                self._fleet.end_all("shutdown", settings.cancel_grace)
                self._go_on_after(settings.cancel_grace + _MARGIN, settings)
            case _:
                self._fleet.end_all("shutdown", 0.0, signal.SIGKILL)

    def _go_on_after(self, seconds: float, settings: Settings) -> None:
        """Take the next step by itself: a worker that is told to stop does stop, on a full disk, too."""
        self._timers.set("shutdown", seconds, lambda: self.step(settings))
