"""Reading what a job and its steps wrote: which files there are, their last lines, and following them."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from agentsd.errors import InvalidInputError

JOB_LOG = "job.log"
"""The job's own output; each step of a plan has a file of its own beside it."""
CHUNK = 1 << 16
FOLLOW_INTERVAL = 0.1
"""Seconds between two looks while following."""


def remove_spare_logs(directory: Path, live: Collection[str]) -> None:
    """Remove the folders that workers which are not *live* had over; one that ends by itself removes its own."""
    for path in directory.iterdir():
        if path.name.partition("-")[0] not in live:
            gone = path.with_name(f"{path.name}.gone")
            # A job of a worker that nobody knows to live may be taking it just now: by then it has another name.
            with contextlib.suppress(OSError):
                path.rename(gone)
                shutil.rmtree(gone)


def log_files(directory: Path) -> list[Path]:
    """The log files of one job, its own first and then its steps' in order; empty without any."""
    try:
        found = [path for path in directory.iterdir() if path.suffix == ".log"]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda path: (path.name != JOB_LOG, path.name))


def step_log(directory: Path, step: str) -> Path:
    """The log of one step, named by its number, its name, or its file; InvalidInputError lists what there is."""
    found = log_files(directory)
    for path in found:
        number, _, name = path.stem.partition("-")
        if step in {path.name, path.stem, name} or (
            step.isdigit() and number.isdigit() and int(step) == int(number)
        ):
            return path
    names = ", ".join(path.stem for path in found) or "no output yet"
    raise InvalidInputError("--step", expected=f"one of {names}", got=step)


def tail_bytes(path: Path, limit: int) -> bytes:
    """The last *limit* bytes of a file; empty if it is gone."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
            return file.read(limit)
    except FileNotFoundError:
        return b""


def tail_lines(path: Path, count: int) -> bytes:
    """The last *count* lines of a file, read from its end so that a large file costs no more."""
    try:
        with path.open("rb") as file:
            return _last_lines(file.fileno(), count)
    except FileNotFoundError:
        return b""


def _last_lines(handle: int, count: int) -> bytes:
    start = os.fstat(handle).st_size
    data = b""
    # One line break more than lines: the break that ends the line before the first one wanted.
    while start > 0 and data.rstrip(b"\n").count(b"\n") < count:
        step = min(CHUNK, start)
        start -= step
        data = os.pread(handle, step, start) + data
    return b"".join(data.splitlines(keepends=True)[-count:]) if count > 0 else b""


def last_text(directory: Path, count: int) -> list[str]:
    """The last *count* lines of the job's most recently written log, decoded; bad bytes become U+FFFD."""
    written = [path for path in log_files(directory) if path.stat().st_size > 0]
    if not written:
        return []
    latest = max(written, key=lambda path: path.stat().st_mtime_ns)
    return tail_lines(latest, count).decode(errors="replace").splitlines()


def follow(
    directory: Path,
    ended: Callable[[], bool],
    *,
    only: str | None = None,
    skip: Callable[[Path], int] = lambda _path: 0,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[Path, bytes]]:
    """Yield ``(file, new bytes)`` as a job writes, until *ended* says so and everything was read.

    *only* restricts it to the file of that name; *skip* gives the offset at which to begin a file that
    is already there.
    """
    for _, path, data in follow_all({"": directory}, lambda _: ended(), skip=skip, wait=wait):
        if only is None or path.name == only:
            yield path, data


def follow_all(
    directories: Mapping[str, Path],
    ended: Callable[[str], bool],
    *,
    skip: Callable[[Path], int] = lambda _path: 0,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[str, Path, bytes]]:
    """As :func:`follow`, for several jobs at once: their directories by their names, which are yielded too.

    *ended* is asked before the last look at a job's files, so that nothing written before is missed.
    """
    left = dict(directories)
    offsets = {path: skip(path) for directory in left.values() for path in log_files(directory)}
    while True:
        over = [name for name in left if ended(name)]
        for name, directory in left.items():
            for path in log_files(directory):
                for data in _new_bytes(path, offsets):
                    yield name, path, data
        for name in over:
            del left[name]
        if not left:
            return
        wait(FOLLOW_INTERVAL)


def _new_bytes(path: Path, offsets: dict[Path, int]) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError:  # pruned between the listing and now
        return
    with file:
        file.seek(offsets.get(path, 0))
        while data := file.read(CHUNK):
            offsets[path] = file.tell()
            yield data
