"""Phases that start processes which do not want to end."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from agentsd_test_phases import options

if TYPE_CHECKING:
    from agentsd import JobContext

SLEEP = "/bin/sleep"


def tree(job: JobContext) -> dict[str, int]:
    """Start a child, its ``setsid`` grandchild and a double-forked daemon, all ignoring SIGTERM.

    With ``only``: ``setsid`` starts no daemon, ``daemon`` nothing else. Their pids, and the job's own as ``leader``, are written to the file ``pids`` once all of them
    run, and reported as progress. Then, by ``then``: ``hold`` (default) waits for the token,
    ``stubborn`` ignores SIGTERM and waits for ever, ``return`` returns at once, ``raise`` raises.
    """
    payload = options(job)
    pids = {"leader": os.getpid(), **_start_tree(payload.get("seconds", 600), payload.get("only", ""))}
    if "pids" in payload:
        _write_whole(Path(payload["pids"]), json.dumps(pids))
    job.progress({"pids": pids})
    then = payload.get("then", "hold")
    if then == "raise":
        raise ValueError("raised on purpose")
    if then == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if then == "hold":
        job.token.wait(600)
        job.token.raise_if_set()
    return pids


def hopper(job: JobContext) -> NoReturn:
    """Start ``count`` hoppers: each forks and exits for ever, so that its pid is never the same twice."""
    payload = options(job)
    deadline = time.monotonic() + payload.get("seconds", 60)
    for _ in range(payload.get("count", 1)):
        if os.fork() == 0:
            _hop(deadline)
    if "entered" in payload:
        Path(payload["entered"]).touch()
    while True:
        time.sleep(600)


def _hop(deadline: float) -> NoReturn:
    """Fork and let the parent exit, until *deadline* (a test that failed must not hop for ever)."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while time.monotonic() < deadline:
        if os.fork():
            os._exit(0)
        time.sleep(0.001)
    os._exit(0)


def _start_tree(seconds: float, only: str) -> dict[str, int]:
    """Start them and return their pids when each of them has become ``sleep``."""
    read, write = os.pipe()  # both close on exec: end of file means that everybody is asleep

    def grandchild() -> NoReturn:
        os.setsid()
        _become_sleep(write, "grandchild", seconds)

    def child() -> NoReturn:
        _fork(grandchild)
        _become_sleep(write, "child", seconds)

    def daemon() -> NoReturn:
        _become_sleep(write, "daemon", seconds)

    def middle() -> NoReturn:
        os.setsid()
        _fork(daemon)
        os._exit(0)

    if only != "daemon":
        _fork(child)
    if only != "setsid":
        os.waitpid(_fork(middle), 0)
    os.close(write)
    with os.fdopen(read) as lines:
        return {name: int(pid) for name, pid in (line.split() for line in lines)}


def _fork(run: Callable[[], NoReturn]) -> int:
    """Fork a child that runs *run* and nothing else; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        run()
    finally:
        os._exit(70)


def _become_sleep(write: int, name: str, seconds: float) -> NoReturn:
    os.write(write, f"{name} {os.getpid()}\n".encode())
    os.execv(SLEEP, [SLEEP, str(seconds)])


def _write_whole(path: Path, text: str) -> None:
    """Write *text* so that whoever sees the file sees all of it."""
    draft = path.with_suffix(".part")
    draft.write_text(text)
    draft.replace(path)
