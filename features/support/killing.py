"""Killing a process between two of its changes: deterministic, by SIGKILL, and nothing of it is mocked."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod"})
"""The audit events of calls that change a name or a mode. ``os.replace`` reports ``os.rename``."""


def killed_at_change(number: int, folders: tuple[Path, ...], work: Callable[[], object]) -> bool:
    """Do *work* in a child that the kernel kills before its *number*-th change below *folders*.

    Returns whether it was killed; if not, it had fewer changes to make.
    """
    child = os.fork()
    if child == 0:
        try:
            _strike_at(number, tuple(map(str, folders)))
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _strike_at(number: int, folders: tuple[str, ...]) -> None:
    left = number

    def strike(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if event in CHANGES and any(_text(arg).startswith(folders) for arg in args[:2]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(strike)


def _text(argument: object) -> str:
    if isinstance(argument, bytes):
        return os.fsdecode(argument)
    return os.fspath(argument) if isinstance(argument, (str, os.PathLike)) else ""


def in_a_child_that_dies(work: Callable[[], object]) -> None:
    """Do *work* in a child that is killed -9 by itself in the middle of it, or as soon as it is done."""
    child = os.fork()
    if child == 0:
        try:
            work()
            die()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status


def die() -> None:
    """Be killed, as by the kernel."""
    os.kill(os.getpid(), signal.SIGKILL)
