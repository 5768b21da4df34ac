"""Frames between a job process and its supervisor: length, CRC, kind, JSON.

A result is read as it comes, because a pipe holds 64 KiB and a writer that nobody reads would wait for
ever. A job that is killed in the middle of a frame leaves a partial one, and one whose handler wrote into
the descriptor leaves a wrong CRC: neither is ever taken for a result.
"""

from __future__ import annotations

import os
import socket
import struct
import zlib
from enum import IntEnum

from agentsd.workers.json_bytes import dumps

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from agentsd.model import JSON

_HEADER = struct.Struct("<IIB")  # length of the body, CRC-32 of kind and body, kind
LONGEST = 256 * 1024 * 1024
"""Bytes of the largest body that is accepted."""


class Kind(IntEnum):
    """What a frame says."""

    PROGRESS = 1
    RESULT = 2
    """The handler returned."""
    ERROR = 3
    """The handler raised."""
    CANCELLED = 4
    """The handler ended because its token was set."""


class BrokenFrameError(Exception):
    """The bytes are no frame: somebody else wrote into the descriptor."""


def encode(kind: Kind, body: bytes) -> bytes:
    """One frame."""
    return _HEADER.pack(len(body), zlib.crc32(body, kind), kind) + body


class FrameReader:
    """Collects bytes and gives back whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[Kind, bytes]]:
        """Add *data*; returns the frames that are whole now. Raises BrokenFrameError."""
        self._buffer += data
        frames: list[tuple[Kind, bytes]] = []
        while len(self._buffer) >= _HEADER.size:
            length, crc, kind = _HEADER.unpack_from(self._buffer)
            if length > LONGEST:
                raise BrokenFrameError(f"a frame of {length} bytes, at most {LONGEST} are taken")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                break
            body = bytes(memoryview(self._buffer)[_HEADER.size : end])
            if zlib.crc32(body, kind) != crc or kind not in set(Kind):
                raise BrokenFrameError("a wrong checksum")
            del self._buffer[:end]
            frames.append((Kind(kind), body))
        return frames


class FrameWriter:
    """Writes frames into a socket. Progress never blocks and may be dropped; what ends a job is neither."""

    def __init__(self, channel_fd: int) -> None:
        """*channel_fd* is the socket's descriptor, which belongs to this from now on."""
        self._fd = channel_fd
        self._channel: socket.socket | None = None  # most jobs report nothing, and need none
        self._tail = b""  # the rest of a frame that the buffer had no room for
        self._newest: bytes | None = None  # progress that has not begun to be sent

    def report(self, value: JSON) -> None:
        """Send *value* as progress if there is room now; else keep it until the next call, and only the newest."""
        self._newest = encode(Kind.PROGRESS, dumps(value))
        if self._tail and not self._send(self._tail):
            return
        self._send(self._newest)
        self._newest = None

    def _send(self, data: bytes) -> bool:
        """Send what fits without waiting; returns whether that was all."""
        if self._channel is None:
            self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, self._fd)
        try:
            sent = self._channel.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        self._tail = data[sent:]
        return not self._tail

    def finish(self, kind: Kind, body: bytes) -> None:
        """Send the last frame, after whatever is still waiting; blocks until the kernel has taken it."""
        frame = self._tail + (self._newest or b"") + encode(kind, body)
        self._tail, self._newest = b"", None
        while frame:
            frame = frame[os.write(self._fd, frame) :]
