"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agentsd.plans import claims

_FEW, _THREADS = 8, 15

_RANDOM_BYTES = 8
TEMPORARY_PATTERN = f".agentsd-{'[0-9a-f]' * 2 * _RANDOM_BYTES}.tmp"
"""What the names of our temporary files look like. Snapshots leave them out."""


def temporary_beside(path: Path) -> Path:
    """A fresh name in the folder of *path*, so that a rename stays within the file system."""
    return path.with_name(f".agentsd-{secrets.token_hex(_RANDOM_BYTES)}.tmp")


def write_durably(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace *path* by *content*; after a crash it holds the old or the new, never a part."""
    temporary = temporary_beside(path)

    def make() -> Path:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        return temporary

    try:
        with claims.claimed(path.parent, make):
            with temporary.open("r+b") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folders([path.parent])


def sync_files(paths: Iterable[Path]) -> None:
    """Make the content of *paths* durable. OSError.

    Side by side, as the file system then commits many of them at once: thousands take a quarter of the time. Not by
    syncfs, which waits for what everybody else has written, too.
    """
    every = list(paths)
    waiting, errors = iter(every), list[OSError]()

    def work() -> None:
        for path in waiting:
            try:
                _sync(path)
            except OSError as error:
                errors.append(error)

    helpers = [threading.Thread(target=work) for _ in range(_THREADS if len(every) > _FEW else 0)]
    begun: list[threading.Thread] = []
    with suppress(RuntimeError):  # no thread to be had: this one does it all
        for helper in helpers:
            helper.start()
            begun.append(helper)
    work()
    for helper in begun:
        helper.join()
    if errors:
        raise errors[0]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folders(folders: Iterable[Path]) -> None:
    """Make the names in *folders* durable."""
    for folder in sorted(set(folders)):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            # A folder that a link has taken the place of is gone, wherever the link leads.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
        else:
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
