"""One lock per repository, around everything that adds, removes or moves something in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from agentsd.errors import SandboxError
from agentsd.plans import flock
from agentsd.plans.ports import Token
from agentsd.plans.repository import Repository

WAIT_SECONDS = 120.0
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def repository_lock(
    repository: Repository, state_root: Path, *, token: Token | None = None, wait: float = WAIT_SECONDS
) -> Generator[None]:
    """Hold the lock of *repository*; the kernel releases it however this process ends.

    Waits up to *wait* seconds, or until *token* is set (JobCancelled). SandboxError when time is up. Never
    hold it while steps run.
    """
    descriptor, path = _open(repository, state_root)
    try:
        if not flock.acquire(descriptor, fcntl.LOCK_EX, wait, token):
            raise SandboxError(f"{path} was held by another process for {wait:g} s.")
        yield
    finally:
        os.close(descriptor)


def _open(repository: Repository, state_root: Path) -> tuple[int, Path]:
    """Open what is locked: the git directory itself, so that no lock file stays in it.

    Where it cannot be opened, or its file system locks no folder (NFS wants a descriptor that may write), a file in
    the state directory stands in. Then only those who share the state directory exclude each other.
    """
    with suppress(OSError):
        return _open_folder(repository.common_dir), repository.common_dir
    instead = state_root / "locks" / f"{repository.ident}.lock"
    instead.parent.mkdir(parents=True, exist_ok=True)
    return os.open(instead, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), instead


def _open_folder(folder: Path) -> int:
    """A descriptor of *folder* that can be locked. OSError."""
    descriptor = os.open(folder, _FOLDER_FLAGS)
    try:
        # A shared lock that is given back at once. If another one holds the lock, then locks work here.
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
