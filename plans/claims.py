"""Telling what a killed process left behind from what a living one uses.

Whoever makes something locks it; the kernel drops the lock with the process, however that ends. So what can be locked
is nobody's any more, at once and not after some hours.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from agentsd.plans import flock

_OLD_SECONDS = 24 * 3600
_WAIT_SECONDS = 1.0
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def claimed(parent: Path, make: Callable[[], Path]) -> Generator[Path]:
    """*make* something in *parent* that is somebody's from its first moment on, and to the end of the block.

    Between the making and the locking nobody else judges: whoever does holds the lock of *parent* alone.
    """
    with _locked(parent, fcntl.LOCK_SH):
        path = make()
        descriptor = os.open(path, _FLAGS)
        with suppress(OSError):  # a file system without locks: then age has to tell
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield path
    finally:
        os.close(descriptor)


def abandoned(parent: Path, pattern: str, *, otherwise: Callable[[Path], bool] | None = None) -> list[Path]:
    """What in *parent* has a name like *pattern* and belongs to no living process.

    Where nothing can be locked, *otherwise* decides; by default what is a day old.
    """
    if not parent.is_dir():
        return []
    with _locked(parent, fcntl.LOCK_EX) as certain:
        found = sorted(parent.glob(pattern))
        return [path for path in found if _is_free(path, certain, otherwise or _is_old)]


def _is_free(path: Path, certain: bool, otherwise: Callable[[Path], bool]) -> bool:
    with suppress(FileNotFoundError):  # its owner has just removed it
        return _is_unlocked(path, certain, otherwise)
    return False


def _is_unlocked(path: Path, certain: bool, otherwise: Callable[[Path], bool]) -> bool:
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise
    except OSError:  # such as a link, which cannot be locked
        return otherwise(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return otherwise(path)
    finally:
        os.close(descriptor)
    return certain or otherwise(path)


def _is_old(path: Path) -> bool:
    return path.lstat().st_mtime < time.time() - _OLD_SECONDS


@contextmanager
def _locked(folder: Path, kind: int) -> Generator[bool]:
    """Hold a lock on *folder*; False if there is none to be had: no locks here, or a holder that is stopped."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # one that may be written but not read
        yield False
        return
    try:
        yield _acquire(descriptor, kind)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, kind: int) -> bool:
    with suppress(OSError):  # no locks here
        return flock.acquire(descriptor, kind, _WAIT_SECONDS)
    return False
