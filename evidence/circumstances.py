"""When, where and on what a run was made, in a sentence."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PRODUCT = ("src", "cli", "supervisor", "workers", "plans", "store")
"""What has to be as committed for a figure to be that commit's."""


class Run:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._at, self._begun = datetime.now(UTC), time.monotonic()
        self._load = os.getloadavg()[0]

    @property
    def seconds(self) -> float:
        """How long it has taken until now."""
        return time.monotonic() - self._begun

    def sentence(self) -> str:
        """Date, duration, commit, versions, machine and load."""
        return (
            f"Run on {self._at:%Y-%m-%d} at {self._at:%H:%M} UTC in {duration(self.seconds)}: commit {commit()}, "
            f"agentsd {_version()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {machine()}; "
            f"load {self._load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end."
        )


def duration(seconds: float) -> str:
    """As people say it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def machine() -> str:
    """The kernel and how many CPUs this process may use."""
    kernel = platform.release().partition("-")[0]
    return f"{platform.system()} {kernel} on {platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def commit() -> str:
    """The commit of this checkout, and whether the product has changes that are not committed."""
    try:
        name = _git("rev-parse", "--short=10", "HEAD")
        changed = _git("status", "--porcelain", "--", *PRODUCT)
    except (OSError, subprocess.CalledProcessError):
        return "unknown (no git)"
    return f"{name} with changes" if changed else name


def _git(*words: str) -> str:
    done = subprocess.run(("git", *words), cwd=PROJECT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _version() -> str:
    try:
        return version("agentsd")
    except PackageNotFoundError:
        return "from a checkout"
