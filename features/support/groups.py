"""Control groups that a test makes for itself, to freeze, starve or confine processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from support.patience import eventually

V1 = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def group_of_kind(controller: str) -> Generator[Path]:
    """A fresh group of a version 1 *controller* (``freezer``, ``memory``, ``pids``); skips where there is none."""
    top = V1 / controller
    path = top / f"agents-test-{os.getpid()}"
    try:
        path.mkdir()
    except OSError as problem:
        # What the kernel is to refuse cannot be had without this group; the reason is printed (-ra).
        pytest.skip(f"no {controller} group can be made here: {problem}")
    try:
        yield path
    finally:
        if controller == "freezer":
            thaw(path)
        for pid in (path / "cgroup.procs").read_text().split():
            (top / "cgroup.procs").write_text(pid)
        eventually(lambda: _removed(path), 10, f"{path} is empty")


def _removed(path: Path) -> bool:
    with contextlib.suppress(OSError):
        path.rmdir()
    return not path.exists()


def freeze(path: Path, pid: int) -> None:
    """Put *pid* into uninterruptible sleep: KILL does not end it before :func:`thaw`."""
    (path / "cgroup.procs").write_text(str(pid))
    (path / "freezer.state").write_text("FROZEN")
    eventually(lambda: (path / "freezer.state").read_text().strip() == "FROZEN", 10, f"{pid} is frozen")


def thaw(path: Path) -> None:
    """Let what is frozen go on."""
    (path / "freezer.state").write_text("THAWED")


def living_in(directory: Path) -> Iterator[int]:
    """The processes whose working directory is *directory*, zombies excepted: what wiped its environment, too."""
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.readlink(f"/proc/{entry.name}/cwd") == str(directory):  # noqa: PTH115
                yield int(entry.name)
