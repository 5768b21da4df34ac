"""A million jobs through one store: put in, worked off, pruned. Nothing may pause, and nothing may grow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.home import Home

from agentsd import Client
from agentsd.supervisor.client import Wishes
from limits.figure import Figure
from limits.rows import finish_all
from limits.surroundings import fresh_home

_SLICE = 10_000
"""Jobs that one call of ``enqueue_many`` puts in: one transaction."""
_LOOK = 0.1
_MEBI = 2**20


def million(rows: int, seconds: float) -> list[Figure]:
    """*rows* jobs are put in; then a supervisor works for *seconds*; then one prunes for *seconds*."""
    with fresh_home() as home:
        home.set("async.preload", "agentsd_test_phases.lean")
        with home.connect() as client:
            rate, wal = _enqueue(home, client, rows)
            drained = _watch(home, seconds)
            queued = client.db.read("SELECT count(*) FROM async_jobs WHERE status = 'queued'")[0][0]
            finish_all(client)
            home.set("async.retention", 60)
            pruned = _watch(home, seconds)
            left = client.db.read("SELECT count(*) FROM async_jobs")[0][0]
    return [
        Figure(name=f"{rows:,} jobs put in, {_SLICE:,} at once", unit="jobs/s", ours=[rate], higher=True),
        Figure(name=f"log of {rows:,} jobs put in, {_SLICE:,} at once", unit="MiB", ours=[wal], floor=64.0),
        *_figures(f"worked off beside {rows:,} queued", rows - queued, seconds, drained),
        *_figures(f"pruned of {rows:,} expired", rows - left, seconds, pruned),
    ]


def _figures(work: str, jobs: int, seconds: float, seen: _Seen) -> list[Figure]:
    return [
        Figure(name=f"jobs {work}", unit="jobs/s", ours=[jobs / seconds], higher=True),
        Figure(name=f"longest turn of the loop, {work}", unit="ms", ours=[seen.told["longest_ms"]], floor=100.0),
        Figure(name=f"of that turn waiting for a CPU, {work}", unit="ms", ours=[seen.told["of_it_queued_for_a_cpu_ms"]]),
        Figure(name=f"log, {work}", unit="MiB", ours=[max(seen.wal) / _MEBI], floor=64.0),
        Figure(name=f"RSS gained, {work}", unit="MB", ours=[seen.gained], floor=2.0),
    ]  # fmt: skip


@dataclass(slots=True)
class _Seen:
    """What was seen of a supervisor from outside, and what it told at its end."""

    wal: list[int] = field(default_factory=lambda: [0])
    rss: list[int] = field(default_factory=list[int])
    told: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def gained(self) -> float:
        """Megabytes between a fifth of the time and the end."""
        return (self.rss[-1] - self.rss[len(self.rss) // 5]) / 1e6


def _enqueue(home: Home, client: Client, rows: int) -> tuple[float, float]:
    """Jobs a second, and the largest size of the log in MiB."""
    largest, begun = 0, time.monotonic()
    for first in range(0, rows, _SLICE):
        client.enqueue_many("noop", [(None, Wishes())] * min(_SLICE, rows - first))
        largest = max(largest, _wal(home))
    return rows / (time.monotonic() - begun), largest / _MEBI


def _watch(home: Home, seconds: float) -> _Seen:
    """Let a watched supervisor run for *seconds*, and look at it meanwhile."""
    seen, told = _Seen(), home.root / "watched.json"
    process = subprocess.Popen((sys.executable, "-m", "limits.watched", str(told)), env=_environment(home))
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until and process.poll() is None:
            time.sleep(_LOOK)  # between two looks; what is looked at sends no event
            seen.wal.append(_wal(home))
            seen.rss.append(_rss(process.pid))
        process.send_signal(signal.SIGTERM)
        if process.wait(60) != 0:
            raise RuntimeError(f"the watched supervisor ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()
    seen.told = json.loads(told.read_text())
    return seen


def _environment(home: Home) -> dict[str, str]:
    return {**home.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _wal(home: Home) -> int:
    path = Path(f"{home.state.database}-wal")
    return path.stat().st_size if path.exists() else 0


def _rss(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
