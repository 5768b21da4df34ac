"""What processes there are below this one, and the proof that a test left none behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Generator, Iterable
from pathlib import Path

import psutil

from agentsd.workers.process import start_ticks
from support.patience import eventually

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Let every orphan of a test come to this process, so that not even a daemon gets out of sight."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def is_alive(pid: int) -> bool:
    """Whether *pid* is a process that can still do something (a zombie cannot)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def descendants() -> set[psutil.Process]:
    """Every process below this one that is not a zombie."""
    found: set[psutil.Process] = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(process)
    return found


def hears_signals(pid: int, start: int | None) -> bool:
    """Whether a job process lets signals in, as it does from the begin of its handler on; True of one that is not seen from here."""
    if start is None or start_ticks(pid) != start:
        return True
    blocked = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigBlk" in line)
    return int(blocked.split()[1], 16) == 0


def of_jobs(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those of *processes* that a job has, by their title: others stand by."""
    found: list[psutil.Process] = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if " ".join(process.cmdline()).startswith("agents job "):
                found.append(process)
    return found


def describe(processes: Iterable[psutil.Process]) -> str:
    """One line for each of *processes*, for a failure message."""
    lines: list[str] = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            lines.append(f"pid {process.pid}, parent {process.ppid()}: {' '.join(process.cmdline())!r}")
    return "\n".join(lines) or "(they ended while this message was written)"


def kill(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL each of *processes*; those that are gone already are no error."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def reap_orphans() -> None:
    """Collect the adopted children that have ended, so that a run of tests gathers no zombies."""
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)


def end_all() -> None:
    """End everything below this process, at the end of a run; what a killed one leaves is adopted, and ended too."""
    while left := descendants():
        kill(left)
        psutil.wait_procs(left, timeout=1)
    reap_orphans()


@contextlib.contextmanager
def nothing_left_behind(seconds: float = 3.0) -> Generator[None]:
    """Fail if a process started inside is alive *seconds* after the block; and end it in any case.

    Needs :func:`become_subreaper`. A failure inside the block is not covered up by the leak.
    """
    before = descendants()
    try:
        yield
    except BaseException:
        kill(descendants() - before)
        raise
    finally:
        reap_orphans()
    try:
        eventually(
            lambda: not descendants() - before,
            seconds,
            lambda: f"processes were left behind:\n{describe(descendants() - before)}",
        )
    finally:
        kill(descendants() - before)
        reap_orphans()
