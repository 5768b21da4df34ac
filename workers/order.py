"""The order to run one job: what a supervisor tells its spawner, and the process that is to run it."""

from __future__ import annotations

import marshal
import os
import struct
from collections import namedtuple

from agentsd.workers.link import Message

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from typing import NamedTuple

    class _Fields(NamedTuple):
        job_id: str
        plan_id: str
        phase: str
        attempt: int
        handler: str
        title: str
        timeout: float
        grace: float
        state_root: str
        log_dir: str
        log_limit: int
        limits: dict[str, int]
else:
    _Fields = namedtuple(
        "_Fields",
        "job_id plan_id phase attempt handler title timeout grace state_root log_dir log_limit limits",
    )

_CHUNK = 1 << 16
_LENGTHS = struct.Struct("<II")  # of the order, of the body


class Order(_Fields):
    """One job to run. ``timeout`` and ``grace`` are seconds, ``log_limit`` bytes.

    ``handler`` is ``module:attribute``. ``limits`` is what the job process and each process below it may use: ``memory``
    (bytes), ``cpu`` (seconds), ``open_files``, ``nice``; one that is missing is not limited. What only the job needs
    (payload, plan, options) travels beside the order, and the spawner does not read it.
    """

    __slots__ = ()

    def to_message(self, pid: int, at: float) -> Message:
        """For the spawner: its child *pid* gets this order, and the timeout runs from *at* (``time.monotonic()``)."""
        return {"op": "lead", "order": [*self], "pid": pid, "at": at}

    @classmethod
    def from_message(cls, message: Message) -> Order:
        """What a message to the spawner says."""
        return cls._make(message["order"])

    def to_bytes(self, body: bytes) -> bytes:
        """For the process that is to run the job, with the *body* that is not for the spawner."""
        head = marshal.dumps([*self])
        return _LENGTHS.pack(len(head), len(body)) + head + body

    @classmethod
    def read(cls, fd: int) -> tuple[Order, bytes] | None:
        """Wait for an order and its body. None: there will be none."""
        data = bytearray()
        while more := os.read(fd, _CHUNK):
            data += more
            if len(data) >= _LENGTHS.size:
                head, body = _LENGTHS.unpack_from(data)
                begin = _LENGTHS.size + head
                if len(data) >= begin + body:
                    order = cls._make(marshal.loads(data[_LENGTHS.size : begin]))  # noqa: S302 - of our own supervisor
                    return order, bytes(memoryview(data)[begin:])
        return None
