"""Where a worker may make control groups, and where those of a worker are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from agentsd.workers.cgroup import NoGroupError, group_of, mounts, remove, write

PREFIX = "agents-"
"""With a worker's id behind it, the name of the group that holds the groups of that worker's slots."""


def usable_group(pid: int | None = None) -> Path:
    """The group of *pid*, if groups can be made in it and killed. Raises NoGroupError that says why not."""
    place = Path(group_of(pid))
    for path, mode in ((place, os.W_OK | os.X_OK), (place / "cgroup.procs", os.W_OK)):
        if not os.access(path, mode):
            raise NoGroupError(f"{path} is not writable for uid {os.getuid()}: the group is not delegated")
    return place


def make_worker_group(worker_id: str) -> Path:
    """The group of a worker, below the one that this process is in. Raises NoGroupError."""
    made = usable_group() / f"{PREFIX}{worker_id}"
    try:
        made.mkdir(exist_ok=True)
    except OSError as error:
        raise NoGroupError(f"no group can be made at {made}: {error.strerror}") from None
    if not (made / "cgroup.kill").exists():
        remove(made)
        raise NoGroupError("this kernel has no cgroup.kill (it came with Linux 5.14)")
    write(str(made / "cgroup.subtree_control"), b"+memory")
    return made


def cgroup_mounts() -> list[Path]:
    """Where cgroup v2 is mounted."""
    return [Path(place) for _, place in mounts()]


def find_worker_groups(worker_id: str) -> list[Path]:
    """Where the group of a worker is, wherever it was started; usually one or none."""
    name = f"{PREFIX}{worker_id}"
    found = [place for mount in cgroup_mounts() for place in _below(mount, name)]
    return list(dict.fromkeys(found))


def _below(top: Path, name: str) -> Iterator[Path]:
    for place, directories, _ in os.walk(top):
        if name in directories:
            yield Path(place, name)
