"""What the kernel says of processes: start times, children, and the marker that descendants carry.

Linux reads ``/proc``; elsewhere psutil answers (untested). Loads little, as every job process has it: no pathlib, which
would be a tenth of what a fork has to copy.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator

LINUX = sys.platform == "linux"
MARKER = "AGENTS_WORKER_ID"
"""The environment variable that every descendant of a spawner carries from its first instruction on."""

_PATIENCE = 0.25
"""Seconds at most for one look at who carries a marker: on a loaded machine an exec may take a while."""
_LOOK_AGAIN = 0.001
_FIRST_READ = 1 << 16  # bytes of an environment; nearly all are shorter
_PF_KTHREAD = 0x00200000  # linux/sched.h
# Fields of /proc/PID/stat behind the command's name, see proc(5).
_STATE, _PARENT, _FLAGS, _START, _CODE, _ENV_END = 0, 1, 6, 19, 23, 48
_NOWHERE = ("0", "0")


def start_ticks(pid: int) -> int | None:
    """When *pid* started, in raw clock ticks since boot; None if there is no such process."""
    if not LINUX:  # untested: macOS
        import psutil  # noqa: PLC0415

        return int(psutil.Process(pid).create_time() * 100) if psutil.pid_exists(pid) else None
    try:  # not by _stat: this is done for every job
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Enough for this field; a larger buffer would not come from the interpreter's own small blocks.
        text = os.read(fd, 400)
    except ProcessLookupError:  # it was reaped between open and read
        return None
    finally:
        os.close(fd)
    return int(text[text.rindex(b")") + 2 :].split(None, _START + 1)[_START])


def state(pid: int) -> str | None:
    """The one-letter state of *pid* (R, S, D, T, Z, see proc(5)); None if there is no such process."""
    fields = _stat(pid)
    return fields[_STATE] if fields else None


def name(pid: int) -> str:
    """The name of *pid*'s program, as ``ps`` shows it; empty if there is no such process."""
    try:
        with open(f"/proc/{pid}/comm", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def signal_name(number: int) -> str:
    """The name of a signal, as ``SIGTERM``; one that has none (most real-time signals) is told by its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def parent(pid: int) -> int | None:
    """The parent of *pid*; None if there is no such process."""
    fields = _stat(pid)
    return int(fields[_PARENT]) if fields else None


def _stat(pid: int) -> list[str] | None:
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        text = os.read(fd, 4096)
    except ProcessLookupError:  # it was reaped between open and read
        return None
    finally:
        os.close(fd)
    # The name may hold spaces and parentheses; the last parenthesis ends it.
    return text[text.rindex(b")") + 2 :].decode().split()


def children(pid: int) -> list[int]:
    """The direct children of *pid*, zombies included; empty if there is no such process.

    Complete for this process itself, as only it reaps its children. For another process the kernel may
    skip one that exits meanwhile (proc_pid_children(5)): ask until the answer is empty.
    """
    found: list[int] = []
    # Only "no such process" means none: with no descriptor left, say, nothing is known, and that is an error.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with (
                contextlib.suppress(FileNotFoundError, ProcessLookupError),
                open(f"/proc/{pid}/task/{thread}/children", "rb") as listing,
            ):
                found.extend(int(child) for child in listing.read().split())
    return found


class OwnChildren:
    """The direct children of this process, which has one thread.

    Holds its file open: with no descriptor left, a sweep must not find nothing.
    """

    FIRST_READ = 4096
    """Bytes that are enough for some 600 children."""

    def __init__(self) -> None:
        self._fd = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self) -> list[int]:
        """The children now, zombies included."""
        size = self.FIRST_READ
        text = os.pread(self._fd, size, 0)
        while len(text) == size:  # more than fits: read it all in one piece, for a consistent answer
            size *= 4
            text = os.pread(self._fd, size, 0)
        return [int(pid) for pid in text.split()]


def descendants(pid: int) -> list[int]:
    """All processes below *pid*, parents before children."""
    found: list[int] = []
    waiting = children(pid)
    while waiting:
        found.extend(waiting)
        waiting = [grandchild for child in waiting for grandchild in children(child)]
    return found


def kill_identified(pid: int) -> bool:
    """KILL *pid* if it is still the process that was looked at; returns whether it was there to kill."""
    start = start_ticks(pid)
    if start is None or state(pid) == "Z":
        return False
    if not LINUX:  # untested: macOS has no pidfd
        os.kill(pid, signal.SIGKILL)
        return True
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if start_ticks(pid) != start:
            return False
        # Refused, it has become ``sudo``: it is there, and nobody may call it gone.
        with contextlib.suppress(PermissionError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def marked(worker_id: str) -> Iterator[int]:
    """Every process of this user that carries the marker of a supervisor, zombies excepted.

    One that forks and exits without end is gone when its pid is looked at, and has another one: whoever has come
    since the last listing is looked at, too, the newest first, until there is nobody new. So finding none proves that
    there is none, but on a machine that starts processes faster than they can be read.
    """
    seen, until = set[str](), 0.0
    while new := [name for name in os.listdir("/proc") if name.isdigit() and name not in seen]:
        for name in reversed(new):
            found = _carries(int(name), worker_id)
            if found is not None:
                seen.add(name)
            if found:
                yield int(name)
        # Not from the begin: to read a long table for the first time may take longer than that.
        until = until or time.monotonic() + _PATIENCE
        if time.monotonic() >= until:
            return
        if not seen.issuperset(new):
            time.sleep(_LOOK_AGAIN)  # for the end of an exec, of which no event tells


def _carries(pid: int, worker_id: str) -> bool | None:
    """Whether *pid* is of this user and marked; None if that cannot be told yet."""
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.getuid():
            return False
        return _look_for_mark(pid, worker_id)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def is_marked(pid: int, worker_id: str) -> bool:
    """Whether *pid* carries the marker of that supervisor. Raises OSError where that cannot be read."""
    until = time.monotonic() + _PATIENCE
    while (found := _look_for_mark(pid, worker_id)) is None and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN)  # see above
    return bool(found)


def _look_for_mark(pid: int, worker_id: str) -> bool | None:
    """Whether *pid* carries the marker; None in the middle of an exec.

    There the environment reads as empty, because the kernel has taken the old one away and not yet put up the new
    one: a process that is just becoming a tool would be overlooked. An empty one is believed if it has had one and
    the same place before and after the look: that is another one in every program.
    """
    environment = _environment(pid)
    if not environment:
        place = _place_of_environment(pid)
        environment = _environment(pid)
        if not environment and (place == _NOWHERE or place != _place_of_environment(pid)):
            return None
    return f"{MARKER}={worker_id}".encode() in environment.split(b"\0")


def _environment(pid: int) -> bytes:
    """In one read: between two of them an exec cuts it short. A longer one is read anew."""
    size = _FIRST_READ
    with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
        while len(text := os.pread(file.fileno(), size, 0)) == size:
            size *= 16
    return text


def _place_of_environment(pid: int) -> tuple[str, str] | None:
    """Where code and environment are in memory; in the middle of an exec, nowhere. None: there is none and will be none.

    Zombies and kernel threads have none. The kernel tells the place of the code last (``load_elf_binary``): that of the
    environment is there while its strings are still counted, and it reads as empty.
    """
    fields = _stat(pid)
    if fields is None or fields[_STATE] == "Z" or int(fields[_FLAGS]) & _PF_KTHREAD:
        return None
    return _NOWHERE if fields[_CODE] == "0" else (fields[_CODE], fields[_ENV_END])
