"""Stopping in three stages: let jobs finish, then TERM them, then KILL them.

The first signal stops claiming and gives the jobs ``async.shutdown_grace``; the second, or the end of that
grace, sends TERM; the third KILLs. A job that is ended so is ``failed``/``interrupted`` and queued anew.
"""

from __future__ import annotations

import signal

from agentsd.store.settings import Settings
from agentsd.supervisor.fleet import Fleet
from agentsd.supervisor.notices import Listener, Notice
from agentsd.supervisor.timers import Timers

_LAST = 3  # KILL


class Shutdown:
    """How far the stopping of a supervisor has come."""

    def __init__(self, fleet: Fleet, timers: Timers, listener: Listener) -> None:
        self._fleet, self._timers, self._listener = fleet, timers, listener
        self._stage = 0

    @property
    def begun(self) -> bool:
        """Whether no more jobs are to be claimed."""
        return self._stage > 0

    @property
    def impatient(self) -> bool:
        """Whether the last stage is reached."""
        return self._stage >= _LAST

    def step(self, settings: Settings) -> None:
        """One more signal (or the end of a stage's time): go one stage further."""
        self._stage += 1
        running = len(self._fleet.running)
        self._listener(Notice("stopping", {"stage": min(self._stage, _LAST), "running": running}))
        match self._stage:
            case 1:
                self._timers.set("shutdown", settings.shutdown_grace, lambda: self._grace_is_over(settings))
            case 2:
                self._fleet.end_all("shutdown", settings.cancel_grace)
            case _:
                self._fleet.end_all("shutdown", 0.0, signal.SIGKILL)

    def _grace_is_over(self, settings: Settings) -> None:
        if self._stage == 1:
            self.step(settings)
