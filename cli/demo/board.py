"""The jobs of the demo side by side: redrawn in place on a terminal, line by line elsewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from agentsd.cli.output import columns_of, is_terminal, paint, shorten, width, write
from agentsd.cli.progress import SIGNS, steps_of
from agentsd.cli.shapes import parsed
from agentsd.cli.words import STATE_STYLES, took
from agentsd.model import AsyncJob

COLOR = re.compile("\x1b\\[[0-9;]*m")


class Board:
    """Shows how far jobs are."""

    def __init__(self, names: dict[str, str]) -> None:
        """*names*: what to call each job, by its id."""
        self._names = names
        self._live = is_terminal(sys.stdout)
        self._drawn = 0
        self._said: dict[str, str] = {}

    def show(self, jobs: Sequence[AsyncJob]) -> None:
        """Show the jobs as they are now."""
        if self._live:
            self._draw([_fitted(self._line(job, with_time=True)) for job in jobs])
            return
        for job in jobs:
            line = self._line(job, with_time=job.status.is_terminal)
            if self._said.get(job.job_id) != line:
                self._said[job.job_id] = line
                write(line + "\n")

    def _draw(self, lines: Sequence[str]) -> None:
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        write(up + "".join(f"\r\x1b[K{line}\n" for line in lines))
        self._drawn = len(lines)

    def _line(self, job: AsyncJob, *, with_time: bool) -> str:
        status = paint(f"{job.status:<9}", STATE_STYLES.get(job.status, ""))
        time = took(job) if with_time and job.started_at else ""
        process = f"pid {job.pid}" if job.pid else ""
        return f"   {self._names[job.job_id]:<8} {status} {process:<12} {time:>7}  {_steps(job)}".rstrip()


def _fitted(line: str) -> str:
    """*line* in one row of the terminal, if need be without colour: of two rows only one would be drawn over."""
    plain = COLOR.sub("", line)
    return line if columns_of(plain) < width() else shorten(plain, width() - 1)


def _steps(job: AsyncJob) -> str:
    shown: list[str] = []
    for step in steps_of(parsed(job.progress)):
        state = str(step.get("state"))
        shown.append(paint(f"{SIGNS.get(state, '.')}{step.get('name')}", STATE_STYLES.get(state, "dim")))
    return " ".join(shown)
