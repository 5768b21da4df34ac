"""The socket pair between a supervisor and its spawner: messages and descriptors.

Messages are ``marshal``'s: both ends are the same interpreter, nothing of it is kept, and a JSON library would double what a fork has to copy.
Both ends are non-blocking: a stopped spawner must not stop the supervisor, nor the other way round.
"""

from __future__ import annotations

import marshal
import os
import socket
import struct
from collections import deque

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from typing import Any

_LENGTH = struct.Struct("<I")  # of a message
_CHUNK = 64 * 1024  # a larger buffer would be mapped and unmapped for every read
_ROOM = socket.CMSG_LEN(64 * 4)  # for more descriptors than can come with one chunk
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_TRUNCATED = int(socket.MSG_CTRUNC)

LOST = -1
"""Stands for a descriptor that was sent, but that this process had no room for."""

Message = dict[str, "Any"]


class Link:
    """One end. Messages that the kernel has no room for wait here and go out with :meth:`flush`."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._in = bytearray()
        self._fds: deque[int] = deque()
        self._out: deque[tuple[bytes | memoryview, int | None]] = deque()
        self.closed = False

    def fileno(self) -> int:
        """For selectors."""
        return self.socket.fileno()

    @property
    def has_unsent(self) -> bool:
        """Whether messages wait for room in the socket."""
        return bool(self._out)

    def post(self, message: Message, fd: int | None = None) -> None:
        """Put a message into the outgoing queue. *fd* is sent along and then closed here."""
        data = marshal.dumps(message)
        self._out.append((_LENGTH.pack(len(data)) + data, fd))

    def flush(self) -> bool:
        """Send what the kernel has room for; returns whether all went out.

        A dead peer is no error here, and what was for it is dropped: end of file is what tells, and it is read in :meth:`receive`.
        """
        while self._out:
            data, fd = self._next()
            try:
                sent = (
                    socket.send_fds(self.socket, [data], [fd]) if fd is not None else self.socket.send(data)
                )
            except BlockingIOError:
                return False
            except (BrokenPipeError, ConnectionResetError):
                self._drop_unsent()
                return False
            if fd is not None:
                os.close(fd)
            if sent == len(data):
                self._out.popleft()
            else:
                self._out[0] = (memoryview(data)[sent:], None)
        return True

    def _next(self) -> tuple[bytes | memoryview, int | None]:
        """What is to be sent now, which stays the first in the queue.

        All up to the next descriptor in one piece: sent one by one, the other end could act on "this one has a job" before
        it hears that no other is wanted in its place.
        """
        pieces: list[bytes | memoryview] = []
        while self._out and self._out[0][1] is None:
            pieces.append(self._out.popleft()[0])
        if pieces:
            self._out.appendleft((pieces[0] if len(pieces) == 1 else b"".join(pieces), None))
        return self._out[0]

    def _drop_unsent(self) -> None:
        for _, fd in self._out:
            if fd is not None:
                os.close(fd)
        self._out.clear()

    def receive(self) -> list[Message]:
        """All messages that have come whole. Sets ``closed`` when the peer is gone."""
        while not self.closed:
            try:
                data, ancillary, flags, _ = self.socket.recvmsg(_CHUNK, _ROOM, _CLOEXEC)
            except BlockingIOError:
                break
            except ConnectionResetError:
                self.closed = True
                break
            if ancillary or flags & _TRUNCATED:
                self._take_in(ancillary)
            self._in += data
            self.closed = not data
        return self._whole_messages()

    def _take_in(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        """The descriptors of one chunk."""
        fds = [fd for _, _, data in ancillary for fd in memoryview(data[: len(data) & ~3]).cast("i")]
        if not _CLOEXEC:  # untested: macOS
            for fd in fds:
                os.set_inheritable(fd, False)
        # With no descriptor left, the kernel drops the one that came. One chunk carries at most one, so a
        # placeholder keeps the later ones with their own messages.
        self._fds.extend(fds or (LOST,))

    def _whole_messages(self) -> list[Message]:
        messages: list[Message] = []
        while len(self._in) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._in)
            end = _LENGTH.size + length
            if len(self._in) < end:
                break
            messages.append(marshal.loads(self._in[_LENGTH.size : end]))  # noqa: S302 - see above
            del self._in[:end]
        return messages

    def take_fd(self) -> int:
        """The descriptor of the oldest message that carries one and was not asked for yet, or LOST."""
        return self._fds.popleft()

    def close(self) -> None:
        """Close this end and every descriptor that nobody took."""
        self._drop_unsent()
        while self._fds:
            if (fd := self._fds.popleft()) != LOST:
                os.close(fd)
        self.socket.close()
