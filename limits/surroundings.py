"""What every measurement needs: a plain environment, a fresh home, a running supervisor, facts of the machine."""

from __future__ import annotations

import atexit
import os
import platform
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from support.home import Home
from support.supervisor import Supervisor

from agentsd import __version__
from evidence.circumstances import commit


def plain_environment() -> dict[str, str]:
    """The environment without what slows Python down: everybody's commands find their byte code."""
    slow = ("PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START", "PYTHONTRACEMALLOC")
    return {name: value for name, value in os.environ.items() if name not in slow}


@contextmanager
def fresh_home() -> Generator[Home]:
    """A state directory of its own, removed at the end of all.

    ext4 looks long for a new inode where thousands were removed a moment ago: a job took 0.4 ms longer.
    """
    home = Home()
    atexit.register(home.remove)
    for name in ("PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START"):
        home.environ.pop(name, None)
    yield home


@contextmanager
def supervisor(home: Home, *options: str, **settings: object) -> Generator[Supervisor]:
    """A supervisor that runs; *settings* are keys of ``async``."""
    for key, value in settings.items():
        home.set(f"async.{key}", value)
    running = Supervisor(home, "--log-level", "error", *options).start()
    try:
        yield running
    finally:
        running.end()


def facts() -> dict[str, str]:
    """When and where this is measured."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "agentsd": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
        "cores": str(os.cpu_count()),
        "load": Path("/proc/loadavg").read_text().split()[0],
    }


def wait_gone(pids: list[int], seconds: float = 60) -> float:
    """Look without a pause until none of *pids* is there; returns the monotonic time then."""
    deadline = time.monotonic() + seconds
    left = set(pids)
    while left:
        left = {pid for pid in left if Path(f"/proc/{pid}").exists()}
        if time.monotonic() > deadline:
            raise TimeoutError(f"{left} are still there after {seconds:g} s")
        time.sleep(0.0002)  # the resolution of what is measured: processes of others send no event
    return time.monotonic()
