"""Running a tool under the token: in its own process group, its output into a file, its leftovers ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentsd.workers.process import children, signal_name
from agentsd.workers.sweep import sweep
from agentsd.workers.token import CancellationToken

SWEEP_LIMIT = 5.0
"""Seconds that a tool's leftovers are swept for; what outlives it is left to the spawner's sweep."""

_POLL = 0.05  # how often a thread, which no signal wakes, looks at the token


@dataclass(frozen=True, slots=True)
class ToolResult:
    """How a tool ended. Exactly one of ``exit_code`` and ``signal`` is set; ``duration`` is seconds."""

    exit_code: int | None
    signal: str | None
    timed_out: bool
    duration: float
    survivors: int
    """How many processes it left behind, all ended since."""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with exit code 0."""
        return self.exit_code == 0 and not self.timed_out


_live: set[int] = set()
"""The tools that run now, so that the sweep after one never takes another (threads may run several)."""


def run_tool(
    argv: Sequence[str],
    *,
    token: CancellationToken,
    grace: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    output: Path | None = None,
) -> ToolResult:
    """Run *argv* to its end, or until the token is set or *timeout* seconds have passed.

    Then its group gets TERM, after *grace* seconds KILL. What it left behind is ended before this returns.
    Raises JobCancelled if the token is set, OSError if the tool cannot be started.
    """
    token.raise_if_set()
    before = set(children(os.getpid()))
    started = time.monotonic()
    with _output(output) as stdout, _wakeup() as wakeup:
        process = subprocess.Popen(  # noqa: S603 - running the user's tools is the purpose
            list(argv), cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=subprocess.STDOUT if stdout is not None else None, process_group=0,
        )  # fmt: skip
        _live.add(process.pid)
        try:
            timed_out = not _wait(process.pid, wakeup, token, started, timeout)
            if timed_out or token.is_set:
                _end_group(process.pid, wakeup, grace)
            survivors = _kill_group(process.pid)
            process.wait()
        finally:
            _live.discard(process.pid)
    survivors += _sweep(before)
    token.raise_if_set()
    code = process.returncode
    return ToolResult(
        exit_code=code if code >= 0 else None,
        signal=signal_name(-code) if code < 0 else None,
        timed_out=timed_out,
        duration=time.monotonic() - started,
        survivors=survivors,
    )


@contextlib.contextmanager
def _output(path: Path | None) -> Generator[int | None]:
    """The file that takes a tool's output; None: the job's own log.

    A file, never a pipe: a process that the tool leaves behind would hold a pipe open, and a full one
    would stop the tool.
    """
    if path is None:
        yield None
        return
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _wakeup() -> Generator[socket.socket | None]:
    """A socket that becomes readable when a signal arrives; None in a thread, which gets no signals."""
    ours, kernels = socket.socketpair()
    ours.setblocking(False)
    kernels.setblocking(False)
    try:
        previous = signal.set_wakeup_fd(kernels.fileno(), warn_on_full_buffer=False)
    except ValueError:  # not the main thread
        yield None
    else:
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(previous)
    finally:
        ours.close()
        kernels.close()


def _wait(
    pid: int, wakeup: socket.socket | None, token: CancellationToken, started: float, timeout: float | None
) -> bool:
    """Wait until *pid* has ended or the token is set (True), or the time is over (False)."""
    with _exit_fd(pid) as exit_fd:
        while not _has_ended(pid) and not token.is_set:
            left = None if timeout is None else started + timeout - time.monotonic()
            if left is not None and left <= 0:
                return False
            _pause(exit_fd, wakeup, left)
    return True


def _end_group(pid: int, wakeup: socket.socket | None, grace: float) -> None:
    """TERM to the group of *pid* (and CONT, for a stopped one), then up to *grace* seconds for its leader."""
    deadline = time.monotonic() + grace
    with contextlib.suppress(ProcessLookupError, PermissionError):  # refused: it has become ``sudo``
        os.killpg(pid, signal.SIGTERM)
        os.killpg(pid, signal.SIGCONT)
    with _exit_fd(pid) as exit_fd:
        while not _has_ended(pid) and (left := deadline - time.monotonic()) > 0:
            _pause(exit_fd, wakeup, left)


def _kill_group(pid: int) -> int:
    """KILL to the group of *pid*, which is not reaped yet, so the number is still its own."""
    leader_only = _has_ended(pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    return 0 if leader_only else 1


def _sweep(before: set[int]) -> int:
    """End what was adopted since the tool began; returns how many.

    With one thread, nobody else can have started a process meanwhile. With several, what is new cannot be
    told apart from a process that another thread started: it is left to the sweep at the job's end.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        return 0
    return len(sweep(before | _live, SWEEP_LIMIT))


@contextlib.contextmanager
def _exit_fd(pid: int) -> Generator[int | None]:
    """A descriptor that becomes readable when *pid* ends, where the system has such a thing."""
    if not hasattr(os, "pidfd_open"):  # untested: macOS
        yield None
        return
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _pause(exit_fd: int | None, wakeup: socket.socket | None, left: float | None) -> None:
    """Sleep until the tool ends, a signal comes or *left* seconds have passed."""
    watched: list[int | socket.socket] = [fd for fd in (exit_fd, wakeup) if fd is not None]
    if exit_fd is None or wakeup is None:
        left = min(left, _POLL) if left is not None else _POLL
    readable, _, _ = select.select(watched, [], [], left)
    if wakeup is not None and wakeup in readable:
        wakeup.recv(4096)
