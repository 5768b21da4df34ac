"""One line on stderr that shows how far a job is; only on a terminal, and gone when it is over."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, cast

from agentsd.cli.output import LEAST_OF_ID, Output, is_terminal, paint, printable, shorten, write
from agentsd.cli.shapes import progress_of
from agentsd.cli.words import seconds_between
from agentsd.model import JSON, AsyncJob
from agentsd.store.units import format_seconds

SIGNS = {"succeeded": "+", "failed": "x", "running": ">", "skipped": "-", "cancelled": "x", "lost": "x"}
_STYLES = {"succeeded": "green", "failed": "red", "lost": "red", "cancelled": "yellow", "running": "cyan"}
SECONDS_BETWEEN = 0.1
_NAME_COLUMNS = 24
LEAST_OF_PACE = 2.0
"""Seconds in which a pace can be judged."""
CLEAR = "\r\x1b[K"


class ProgressLine:
    """Rewrites one line in place. *expected*: how long each step may take, in seconds, where that is known."""

    def __init__(self, output: Output, head: str = "") -> None:
        """*head* stands before what is shown of a job."""
        self.expected: Sequence[float | None] = ()
        self._head = head
        self._on = output.is_table and is_terminal(sys.stderr)
        self._begin = time.monotonic()
        self._shown = ""
        self._last = 0.0

    @property
    def is_shown(self) -> bool:
        """Whether there is anybody to see it."""
        return self._on

    def show_job(self, job: AsyncJob) -> None:
        """Show a job's state and, if it runs, its steps."""
        if not self._on:
            return
        since = job.started_at or job.created_at
        self._begin = time.monotonic() - seconds_between(since)
        self._write(f"{self._head}{shorten(job.job_id, LEAST_OF_ID + 1)} {job.status}", progress_of(job))

    def show_progress(self, progress: JSON) -> None:
        """Show the progress of the job that runs here."""
        if self._on:
            self._write("", progress)

    def make_way(self) -> None:
        """Take the line away, so that something else can be written; what is shown next draws it again."""
        if self._shown:
            write(CLEAR, sys.stderr)
            self._shown = ""

    def show_count(self, doing: str, done: int, total: int) -> None:
        """Show how far something is that is done right here, but not more often than can be read."""
        if done == total or time.monotonic() - self._last >= SECONDS_BETWEEN:
            self._last = time.monotonic()
            self.show_progress({"doing": doing, "done": done, "total": total, "what": "files"})

    def _write(self, head: str, progress: JSON) -> None:
        steps = steps_of(progress)
        elapsed = format_seconds(round(time.monotonic() - self._begin, 1))
        done = sum(step.get("state") in ("succeeded", "skipped") for step in steps)
        parts = [
            head,
            f"{done}/{len(steps)} steps" if steps else describe_doing(progress),
            elapsed,
            remaining_words(steps, self.expected) or pace_words(progress, time.monotonic() - self._begin),
            describe_steps(steps),
        ]
        text = shorten("  ".join(part for part in parts if part), _columns() - 1)
        if text != self._shown:
            self._shown = text
            write(CLEAR + text, sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.make_way()


def _columns() -> int:
    """The width of the terminal on stderr."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80


def steps_of(progress: JSON) -> list[Mapping[str, JSON]]:
    """The steps in a job's progress; none if it is of another form (phases report what they like)."""
    if not isinstance(progress, dict):
        return []
    steps = cast("dict[str, JSON]", progress).get("steps")
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []  # pyright: ignore[reportUnknownVariableType]


def describe_doing(progress: JSON) -> str:
    """``writing 20/300 files``: what a job without steps is doing, if it says so."""
    if not isinstance(progress, dict) or "doing" not in progress:
        return ""
    known = cast("dict[str, JSON]", progress)
    if "total" not in known:
        return printable(str(known["doing"]))
    return printable(
        f"{known['doing']} {known.get('done')}/{known['total']} {known.get('what', '')}".rstrip()
    )


def describe_steps(steps: Sequence[Mapping[str, JSON]]) -> str:
    """``+build >test 12 s  deploy``: each step with the sign of its state, and how long it has been running."""
    return "  ".join(
        SIGNS.get(str(step.get("state")), " ")
        + shorten(printable(str(step.get("name"))), _NAME_COLUMNS)
        + _running_for(step)
        for step in steps
    )


def _running_for(step: Mapping[str, JSON]) -> str:
    begun = step.get("started_at")
    if step.get("state") != "running" or not begun:
        return ""
    return f" {format_seconds(round(seconds_between(str(begun))))}"


def remaining_words(steps: Sequence[Mapping[str, JSON]], expected: Sequence[float | None]) -> str:
    """``about 3m left``; nothing where a step is new, takes longer than ever, or has failed."""
    seconds = _remaining(steps, expected)
    return f"about {format_seconds(round(seconds))} left" if seconds and seconds >= 1 else ""


def _remaining(steps: Sequence[Mapping[str, JSON]], expected: Sequence[float | None]) -> float | None:
    left = 0.0
    if len(steps) != len(expected):
        return None
    for step, seconds in zip(steps, expected, strict=True):
        match step.get("state"):
            case "waiting" if seconds is not None:
                left += seconds
            case "running" if seconds is not None:
                left += max(0.0, seconds - seconds_between(str(step.get("started_at"))))
            case "succeeded" | "skipped":
                pass
            case "failed" if step.get("continued"):
                pass
            case _:
                return None
    return left


def pace_words(progress: JSON, elapsed: float) -> str:
    """``about 3m left`` of a job that says ``done`` of ``total``, if it goes on as in the *elapsed* seconds."""
    known = cast("dict[str, JSON]", progress) if isinstance(progress, dict) else {}
    done, total = known.get("done"), known.get("total")
    if not (isinstance(done, int | float) and isinstance(total, int | float)):
        return ""
    if elapsed < LEAST_OF_PACE or not 0 < done < total:
        return ""
    return f"about {format_seconds(round(elapsed * (total - done) / done))} left"


def step_lines(progress: JSON) -> list[str]:
    """One line for each step: sign, name, state, exit code and how long it took."""
    lines: list[str] = []
    for step in steps_of(progress):
        state = str(step.get("state"))
        style = _STYLES.get(state, "dim")
        begun, ended = step.get("started_at"), step.get("finished_at")
        lasted = format_seconds(seconds_between(str(begun), str(ended) if ended else None)) if begun else ""
        code = step.get("exit_code")
        failed = f"exit code {code}" if code else ""
        told = "  ".join(
            part
            for part in (printable(str(step.get("name"))), paint(printable(state), style), lasted, failed)
            if part
        )
        lines.append(f"  {SIGNS.get(state, ' ')} {told}")
    return lines
