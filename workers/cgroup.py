"""Control groups (cgroup v2): the one means by which nothing of a job can get away.

A process is born into the group of its parent and leaves it only if somebody with the right to moves it. So
``cgroup.kill`` reaches everything below a job at once: daemons, processes that fork faster than they can be read,
processes whose environment was wiped. It needs a group in which this user may make others: what systemd calls
delegated, or what root has anywhere.

One group per slot, not per job: joining one that is there costs 60 µs, making and removing one 120 µs more.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

_LINKS_WITHOUT_GROUPS = 2
_ROOM = 1024  # bytes; the events of a group are fewer
_MOUNTS = "/proc/self/mountinfo"


class NoGroupError(Exception):
    """There is no control group that could be used; the message continues "… because"."""


class Group:
    """The group of one slot. Holds its files open: with no descriptor left, a job must still be killable."""

    def __init__(self, path: str) -> None:
        """Make the group, or take one that is there. Raises OSError."""
        self.path = path
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
        with contextlib.ExitStack() as files:
            self._events = _held(files, f"{path}/cgroup.events", os.O_RDONLY)
            self._kill = _held(files, f"{path}/cgroup.kill", os.O_WRONLY)
            self._procs = _held(files, f"{path}/cgroup.procs", os.O_WRONLY)
            self._memory = -1
            with contextlib.suppress(FileNotFoundError):
                self._memory = _held(files, f"{path}/memory.events", os.O_RDONLY)
            self._files = files.pop_all()
        self.counts_memory = self._memory >= 0
        if self.counts_memory:
            write(f"{path}/memory.oom.group", b"1")  # half a job is no use
        self._killed = False

    def join(self) -> None:
        """Put this process into the group. Raises OSError.

        By a plain write: through a buffered file the error would come when that is closed, and be lost.
        """
        os.write(self._procs, b"0")

    def is_populated(self) -> bool:
        """Whether any process lives in it or below (zombies do not count)."""
        try:
            return b"populated 1" in os.pread(self._events, _ROOM, 0)
        except OSError:  # somebody has removed it, which only an empty one lets happen
            return False

    @property
    def is_fresh(self) -> bool:
        """Whether, as far as can be seen, no job has meddled with it: it is there, was never killed and has no groups below."""
        try:
            return not self._killed and os.stat(self.path).st_nlink == _LINKS_WITHOUT_GROUPS
        except OSError:
            return False

    def kill(self) -> None:
        """KILL everything in it, now and in one step."""
        self._killed = True
        with contextlib.suppress(OSError):  # removed meanwhile, so it was empty
            os.write(self._kill, b"1")

    def holds(self, membership: list[str]) -> bool:
        """Whether that is the membership (the lines of ``/proc/PID/cgroup``) of a process in it or below."""
        worker, slot = self.path.split("/")[-2:]
        inside = f"/{worker}/{slot}"
        return any(f"{line}/".find(f"{inside}/") >= 0 for line in membership)

    def processes(self) -> list[int]:
        """What lives in it or below."""
        return processes_in(self.path)

    def oom_kills(self) -> int:
        """How many processes the kernel has killed here for want of memory; 0 where it does not count."""
        if not self.counts_memory:
            return 0
        try:
            return _oom_kills(os.pread(self._memory, _ROOM, 0)) or 0
        except OSError:  # somebody has removed it
            return 0

    def remove(self) -> None:
        """Close and remove it, with the groups that a job has made below. One that is in use stays."""
        self._files.close()
        remove(self.path)


def _held(files: contextlib.ExitStack, path: str, flags: int) -> int:
    """A descriptor that is closed with *files*. Raises OSError."""
    fd = os.open(path, flags | os.O_CLOEXEC)
    files.callback(os.close, fd)
    return fd


def counted(file: str | os.PathLike[str]) -> int | None:
    """The ``oom_kill`` of a memory group's file or of ``/proc/vmstat``; None if it cannot be read now or has none."""
    try:
        with open(file, "rb", buffering=0) as raw:
            return _oom_kills(raw.read())
    except OSError:
        return None


def _oom_kills(text: bytes) -> int | None:
    words = text.split()
    return int(words[words.index(b"oom_kill") + 1]) if b"oom_kill" in words else None


def group_of(pid: int | None = None) -> str:
    """The directory of the group that *pid* (default: this process) is in. Raises NoGroupError."""
    try:
        lines = lines_of(f"/proc/{pid or 'self'}/cgroup")
    except OSError as error:
        raise NoGroupError(f"the groups of process {pid or os.getpid()} cannot be read: {error}") from None
    inside = next((line[3:] for line in lines if line.startswith("0::")), None)
    mount = next(mounts(), None)
    if inside is None or mount is None:
        raise NoGroupError("cgroup v2 is not mounted here")
    root, place = mount
    if inside.startswith("/..") or not f"{inside}/".startswith(f"{root.rstrip('/')}/"):
        raise NoGroupError(f"its group {inside} is outside of what is mounted at {place}")
    return f"{place.rstrip('/')}/{inside.removeprefix(root.rstrip('/')).lstrip('/')}".rstrip("/") or "/"


def mounts() -> Iterator[tuple[str, str]]:
    """Every mount of cgroup v2: (root of the hierarchy that it shows, where)."""
    with contextlib.suppress(OSError):
        for line in lines_of(_MOUNTS):
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2":
                yield fields[3], fields[4]


def lines_of(file: str) -> list[str]:
    """The lines of a file of the kernel's. Raises OSError."""
    with open(file) as lines:
        return lines.read().splitlines()


def write(file: str, data: bytes) -> None:
    """Set what a kernel or a delegation may not have; then it is done without."""
    with contextlib.suppress(OSError):
        fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)


def probe(worker_group: str) -> None:
    """Have a child join a group, as jobs will. Raises OSError if that does not work."""
    group = Group(f"{worker_group}/probe")
    try:
        pid = os.fork()
        if pid == 0:
            problem = errno.EIO
            try:
                group.join()
                problem = 0
            except OSError as error:
                problem = error.errno or errno.EIO
            finally:
                os._exit(problem)
        if problem := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            raise OSError(problem, os.strerror(problem), group.path)
    finally:
        group.remove()


def processes_in(group: str | os.PathLike[str]) -> list[int]:
    """What lives in a group or below."""
    found: list[int] = []
    for place, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in lines_of(f"{place}/cgroup.procs")]
    return found


def kill_all(worker_group: str | os.PathLike[str]) -> list[int]:
    """KILL everything in a worker's group; returns what was there."""
    found = processes_in(worker_group)
    if found:
        write(f"{os.fspath(worker_group)}/cgroup.kill", b"1")
    return found


def remove(group: str | os.PathLike[str]) -> None:
    """Remove a group and those below it, as far as nothing lives in them."""
    for place, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(place)  # the directory of a group is removed with its files in it
