"""The wake-up socket: enqueue and cancel poke it, so that pick-up takes a millisecond, not a poll.

A poke may get lost (the socket's queue is full, its owner is just starting): the poll interval is the
safety net, so every failure to send is ignored.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

A_TURNS_WORTH = 100
"""Pokes after which the loop looks at everything else first."""


class WakeupSocket:
    """The supervisor's end: a datagram socket that only its user may write to."""

    def __init__(self, directory: Path, worker_id: str) -> None:
        import socket  # noqa: PLC0415 - see poke

        self.path = directory / f"{worker_id}.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        previous = os.umask(0o177)
        try:
            self._socket.bind(str(self.path))
        finally:
            os.umask(previous)

    def fileno(self) -> int:
        """For selectors: readable when somebody has poked."""
        return self._socket.fileno()

    def take(self) -> bool:
        """Forget all pokes, or as many as one turn has time for; returns whether there was one."""
        poked = False
        # Who pokes without end must not keep this process from everything else.
        for _ in range(A_TURNS_WORTH):
            try:
                self._socket.recv(16)
            except BlockingIOError:
                break
            poked = True
        return poked

    def close(self) -> None:
        """Close and remove the socket."""
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def poke(path: str | None) -> None:
    """Wake the supervisor whose socket is at *path*, if it is there."""
    if path is None:
        return
    import socket  # noqa: PLC0415 - 3 ms, and where no worker runs nobody is poked

    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto(b"!", path)


def poke_each(paths: Iterable[str]) -> None:
    """Wake the supervisors whose sockets are at *paths*."""
    for path in paths:
        poke(path)
