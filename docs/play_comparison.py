"""Play the cases of ``docs/explanation/comparison.md`` with agentsd, with its default settings, and print its column.

    python docs/play_comparison.py

Needs the test phases (``pip install ./tests/phases_package``). Takes a minute; everything is in a folder that goes away.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "features"))
import orjson
from support.home import Home
from support.patience import eventually
from support.processes import become_subreaper, is_alive
from support.supervisor import Supervisor

from agentsd import AsyncJob, Client

LIMIT = 3.0
"""Seconds of the time limit in the cases that have one."""
Case = tuple[Home, Client, Supervisor]


@contextmanager
def stage() -> Iterator[Case]:
    """A home with an idle worker, and a client."""
    home = Home()
    supervisor = Supervisor(home).start()
    try:
        with home.connect() as client:
            yield home, client, supervisor
    finally:
        supervisor.end()
        home.remove()


def start(case: Case, phase: str, timeout: float | None = None) -> tuple[AsyncJob, list[int], Path]:
    """Start a job; the job when its handler is where it wants to be, and the pids of its tree."""
    home, client, _ = case
    sign = home.root / "sign"
    name = "pids" if phase == "tree" else "entered"
    job = client.enqueue(phase, payload={name: str(sign)}, timeout=timeout)
    eventually(sign.exists, 20, "the handler runs")
    pids = [*json.loads(sign.read_text()).values()] if phase == "tree" else []
    return client.get(job.job_id), [*pids, client.get(job.job_id).pid or 0], sign


def gone(pids: list[int]) -> str:
    """Whether all of them are."""
    return "no" if any(is_alive(pid) for pid in pids) else "yes"


def seconds_between(first: str | None, second: str | None) -> float:
    """Seconds between two times of the store."""
    return (datetime.fromisoformat(second or "") - datetime.fromisoformat(first or "")).total_seconds()


def time_out(phase: str) -> str:
    """A time limit of three seconds."""
    with stage() as case:
        job, pids, _ = start(case, phase, LIMIT)
        ended = case[1].wait(job.job_id, timeout=60)
        after = seconds_between(ended.started_at, ended.finished_at)
        return f"{after:.1f} s ({ended.reason}); all of it gone: {gone(pids)}"


def cancel(phase: str) -> str:
    """A cancel of a running job."""
    with stage() as case:
        job, pids, _ = start(case, phase)
        begun = time.monotonic()
        case[1].cancel(job.job_id)
        ended = case[1].wait(job.job_id, timeout=60)
        return f"{time.monotonic() - begun:.2f} s ({ended.reason}); all of it gone: {gone(pids)}"


def kill_supervisor() -> str:
    """`kill -9` of the supervisor, and a restart."""
    with stage() as case:
        home, client, supervisor = case
        job, pids, _ = start(case, "tree")
        supervisor.kill()
        begun = time.monotonic()
        eventually(lambda: gone(pids) == "yes", 20, "the tree is gone")
        after = time.monotonic() - begun
        again = Supervisor(home).start()
        begun = time.monotonic()
        ended = client.wait(job.job_id, timeout=60)
        said = f"all of it gone after {after:.2f} s; {ended.status} ({ended.reason}) {time.monotonic() - begun:.2f} s after a restart"
        again.end()
        return said


def kill_job() -> str:
    """`kill -9` of the job process."""
    with stage() as case:
        job, pids, _ = start(case, "tree")
        begun = time.monotonic()
        os.kill(pids[-1], signal.SIGKILL)
        ended = case[1].wait(job.job_id, timeout=60)
        return f"{ended.status} ({ended.reason}) in {time.monotonic() - begun:.2f} s; all of it gone: {gone(pids)}"


def latency() -> str:
    """From the call of enqueue to the handler's first line, with an idle worker: the median of 20, in milliseconds."""
    with stage() as (_, client, _supervisor):
        waits: list[float] = []
        for _ in range(20):
            begun = time.monotonic_ns()
            job = client.wait(client.enqueue("stamp").job_id, timeout=30)
            waits.append((orjson.loads(job.result or "")["monotonic_ns"] - begun) / 1e9)
        return f"{1000 * statistics.median(waits):.1f} ms (median of 20)"


CASES: dict[str, Callable[[], str]] = {
    "timeout of 3 s, a tree": lambda: time_out("tree"),
    "timeout of 3 s, native code": lambda: time_out("hang-native"),
    "cancel, a tree": lambda: cancel("tree"),
    "cancel, native code": lambda: cancel("hang-native"),
    "kill -9 of the supervisor": kill_supervisor,
    "kill -9 of the job process": kill_job,
    "enqueue to first line": latency,
}

if __name__ == "__main__":
    become_subreaper()
    for name, play in CASES.items():
        print(f"{name}: {play()}", flush=True)
