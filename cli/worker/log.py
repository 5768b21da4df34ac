"""What a supervisor tells, as lines for people or as JSON lines; written so that it can never stop it."""

from __future__ import annotations

import os
import select

from agentsd.cli.output import json_text
from agentsd.cli.words import count
from agentsd.cli.worker.events import sentence
from agentsd.clock import utc_now
from agentsd.supervisor.notices import Notice

LEVELS = ("debug", "info", "warning", "error")


class WorkerLog:
    """Writes notices of at least a level to a file descriptor."""

    def __init__(self, descriptor: int, level: str, *, as_json: bool) -> None:
        self._descriptor, self._as_json = descriptor, as_json
        self._shown = LEVELS[LEVELS.index(level) :]
        self._short, self._day = os.isatty(descriptor), ""
        self._lost = 0

    def __call__(self, notice: Notice) -> None:
        """Write one notice, if somebody reads."""
        if notice.level in self._shown:
            self._write(self._line(notice))

    def _line(self, notice: Notice) -> str:
        if self._as_json:
            head = {
                "at": utc_now(),
                "level": notice.level,
                "event": notice.event,
                "message": sentence(notice),
            }
            return json_text({**head, **notice.facts})
        mark = "" if notice.level in ("debug", "info") else f"{notice.level}: "
        return f"{self._when()} {mark}{sentence(notice)}"

    def _when(self) -> str:
        """The time, in UTC. On a terminal the date stands on a line of its own, so that most lines fit 80 columns."""
        day, time = utc_now()[:19].split("T")
        if not self._short:
            return f"{day}T{time}Z"
        new_day = "" if day == self._day else f"{day}, times are UTC\n"
        self._day = day
        return f"{new_day}{time}"

    def _write(self, line: str) -> None:
        """A terminal that is stopped by Ctrl-S, or a pipe that nobody reads, must not stop the supervisor."""
        try:
            if not select.select([], [self._descriptor], [], 0)[1]:
                self._lost += 1
                return
            if self._lost and not self._as_json:
                line = f"({count(self._lost, 'line')} lost: nobody was reading)\n{line}"
            self._lost = 0
            os.write(self._descriptor, f"{line}\n".encode(errors="replace"))
        except OSError:  # the terminal was closed; the work goes on without it
            self._lost += 1
