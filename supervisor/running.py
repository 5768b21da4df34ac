"""One running job as its supervisor sees it: what is known of it between claim and end."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, cast

import orjson

from agentsd.faults import reach
from agentsd.model import JSON, AsyncJob, Reason
from agentsd.store.claims import CancelRequest
from agentsd.workers.frames import BrokenFrameError, FrameReader, Kind
from agentsd.workers.link import Message

A_TURNS_WORTH = 1 << 16
"""Bytes of a job's channel after which the loop looks at everything else first."""

RAISED = frozenset({Reason.HANDLER_ERROR, Reason.STEP_FAILED, Reason.CONFLICT, Reason.BAD_PAYLOAD})
"""What a handler may end with by raising."""


class Stage(Enum):
    """How far a job has come."""

    CLAIMED = "claimed"
    """It has no process yet."""
    MATCHED = "matched"
    """It has one, whose identity is to be stored first."""
    LED = "led"
    """That is stored, and its spawner is being told; then the process gets its order."""
    GOING = "going"
    """The handler may have begun."""
    ENDED = "ended"
    """Nothing is left of its tree; the end is to be stored."""


class ReadyProcess(NamedTuple):
    """A process that waits for a job. ``start`` is raw clock ticks, ``channel`` not blocking."""

    pid: int
    start: int
    channel: socket.socket


@dataclass(slots=True, eq=False)
class RunningJob:
    """Mutable, private to the supervisor."""

    job: AsyncJob
    order_body: bytes
    handler: str
    timeout: float
    rerun_safe: bool
    limits: dict[str, int] = field(default_factory=dict[str, int])
    refused: str = ""
    """Why it cannot be run as it is."""
    stage: Stage = Stage.CLAIMED
    process: ReadyProcess | None = None
    channel: socket.socket | None = None
    """Open while something may come, or has to go."""
    unsent: bytes | memoryview = b""
    """What the channel had no room for yet."""
    reader: FrameReader = field(default_factory=FrameReader)
    failures: int = 0
    """How often it had no process, or one that died before it began."""
    last_frame: tuple[Kind, dict[str, Any]] | None = None
    frame_problem: str = ""
    progress: str | None = None
    progress_is_new: bool = False
    cancel: CancelRequest | None = None
    end_asked: str = ""
    """The cause for which the spawner was told to end it."""
    unkillable: list[dict[str, JSON]] = field(default_factory=list[dict[str, JSON]])
    """Processes of it that KILL did not end, as its spawner told."""
    lost: bool = False
    """Others have ended the row: what comes of this job is dropped."""
    ended: Message | None = None

    @property
    def pid(self) -> int | None:
        """Its process, if it has one."""
        return self.process and self.process.pid

    def match(self, process: ReadyProcess) -> None:
        """This is its process from now on."""
        self.process, self.stage = process, Stage.MATCHED

    def part(self) -> ReadyProcess | None:
        """It has no process any more; returns the one that it had."""
        process, self.process, self.stage = self.process, None, Stage.CLAIMED
        return process

    def give_order(self, order: bytes) -> None:
        """Let the handler begin. What there is no room for goes out with :meth:`send_on`."""
        assert self.process is not None  # noqa: S101 - only who is led has an order coming
        self.stage, self.channel, self.reader = Stage.GOING, self.process.channel, FrameReader()
        self.unsent = order
        self.send_on()

    def send_on(self) -> None:
        """Send what there is room for. A large payload goes out bit by bit, as its reader takes it."""
        if self.channel is None:
            return
        try:
            while self.unsent:
                self.unsent = memoryview(self.unsent)[self.channel.send(self.unsent) :]
        except BlockingIOError:
            return
        except OSError:  # it has died; the spawner tells
            self.unsent = b""

    def read_channel(self, *, all_of_it: bool = False) -> bool:
        """Take what the job has sent, or as much as one turn of the loop has for it. Returns False when there will be no more.

        A job that sends faster than it is read would keep its supervisor from everything else. *all_of_it*: it has ended.
        """
        taken = 0
        while self.channel is not None:
            if taken >= A_TURNS_WORTH and not all_of_it:
                return True
            try:
                data = self.channel.recv(1 << 20)
            except BlockingIOError:
                return True
            except ConnectionResetError:
                return False
            if not data:
                return False
            taken += len(data)
            try:
                for kind, body in self.reader.feed(data):
                    self._take(kind, body)
            except (BrokenFrameError, orjson.JSONDecodeError) as error:
                self.frame_problem = str(error)
                return False
        return False

    def _take(self, kind: Kind, body: bytes) -> None:
        value = orjson.loads(body)
        if kind is Kind.PROGRESS:
            self.progress, self.progress_is_new = body.decode(), True
        elif self.last_frame is None:
            # A handler that makes frames of its own must not end its supervisor.
            if not _is_whole(kind, value):
                raise BrokenFrameError("a frame that says nothing")
            reach("result.heard")  # the first word is the last: a handler's child may hold the channel
            self.last_frame = (kind, value)

    def close_channel(self) -> None:
        """Close this end."""
        self.channel, self.unsent = None, b""
        if self.process is not None:
            self.process.channel.close()


def _is_whole(kind: Kind, value: Any) -> bool:
    """Whether a frame that ends a job has what its verdict needs."""
    if not isinstance(value, dict):
        return False
    fields = cast("dict[str, Any]", value)
    match kind:
        case Kind.RESULT:
            return "result" in fields and isinstance(fields.get("token", 0), str | None)
        case Kind.ERROR:
            reason = fields.get("reason")
            return isinstance(reason, str) and reason in RAISED and isinstance(fields.get("error"), str)
        case _:
            return isinstance(fields.get("reason"), str | None)
