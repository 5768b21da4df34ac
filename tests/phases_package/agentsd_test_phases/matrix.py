"""The work of the crash matrix: leaves one trace each time it begins, starts what its kind says, waits at a gate."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentsd import JobContext

HUGE = 6_000_000
"""Bytes of a huge result."""
_DEAF = "trap '' TERM; "
"""The beginning of a script whose processes ignore being asked to stop."""


def work(job: JobContext) -> str:
    """Work as ``kind`` says until the file ``gate`` is there.

    ``effects`` gets a line with the job's id before anything else; ``pids`` (a folder) gets a file of that name with
    the pids of all that was started.
    """
    payload: dict[str, Any] = job.payload
    _leave_trace(payload["effects"], job.job.job_id)
    kind: str = payload["kind"]
    started = STARTS[kind]() if kind in STARTS else []
    _write_whole(Path(payload["pids"], job.job.job_id), " ".join(map(str, [os.getpid(), *started])))
    if kind == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pause = PAUSES.get(kind, _sleep)
    while not Path(payload["gate"]).exists():
        pause()
    return "x" * HUGE if kind == "huge" else "done"


def _leave_trace(file: str, job_id: str) -> None:
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, f"{job_id}\n".encode())
    os.close(fd)


def _child() -> list[int]:
    return [subprocess.Popen(["sh", "-c", f"{_DEAF}exec sleep 600"]).pid]


def _grandchild() -> list[int]:
    shell = subprocess.Popen(
        ["sh", "-c", f"{_DEAF}setsid sleep 600 & echo $!; exec sleep 600 >&-"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert shell.stdout is not None
    return [shell.pid, int(shell.stdout.readline())]


def _daemon() -> list[int]:
    line = subprocess.run(
        ["setsid", "sh", "-c", f"{_DEAF}setsid sleep 600 >&- & echo $!"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [int(line.stdout)]


def _sleep() -> None:
    time.sleep(0.02)


def _hold_the_gil() -> None:
    sum(range(2_000_000))
    _sleep()  # many of these run at once: the machine is wanted for other things, too


def _leave_the_gil() -> None:
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 50_000)
    _sleep()


def _chatter() -> None:
    print("\n".join(f"{number:06d} is a line of a chatty job" for number in range(200)), flush=True)
    time.sleep(0.01)


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_suffix(".part")
    draft.write_text(text)
    draft.replace(path)


STARTS: dict[str, Callable[[], list[int]]] = {"child": _child, "grandchild": _grandchild, "daemon": _daemon}
PAUSES: dict[str, Callable[[], None]] = {
    "native with the GIL": _hold_the_gil,
    "native without the GIL": _leave_the_gil,
    "chatty": _chatter,
}
