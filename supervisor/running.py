"""One running job as its supervisor sees it: what is known of it between claim and end."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

import orjson

from agentsd.faults import reach
from agentsd.model import JSON, AsyncJob, Reason
from agentsd.store.claims import CancelRequest
from agentsd.workers.child import GO
from agentsd.workers.frames import BrokenFrameError, FrameReader, Kind
from agentsd.workers.link import Message

A_TURNS_WORTH = 1 << 16
"""Bytes of a job's channel after which the loop looks at everything else first."""

RAISED = frozenset({Reason.HANDLER_ERROR, Reason.STEP_FAILED, Reason.CONFLICT, Reason.BAD_PAYLOAD})
"""What a handler may end with by raising."""


class Stage(Enum):
    """How far a job has come."""

    CLAIMED = "claimed"
    ORDERED = "ordered"
    """The spawner was told to fork."""
    FORKED = "forked"
    """The process waits; its identity is to be stored first."""
    GOING = "going"
    """The handler may have begun."""
    ENDED = "ended"
    """Nothing is left of its tree; the end is to be stored."""


@dataclass(slots=True, eq=False)
class RunningJob:
    """Mutable, private to the supervisor."""

    job: AsyncJob
    order_body: bytes
    handler: str
    timeout: float
    rerun_safe: bool
    limits: dict[str, int] = field(default_factory=dict[str, int])
    stage: Stage = Stage.CLAIMED
    channel: socket.socket | None = None
    reader: FrameReader = field(default_factory=FrameReader)
    pid: int | None = None
    pid_start: int | None = None
    fork_attempts: int = 0
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

    def open_channel(self) -> socket.socket:
        """A fresh channel; returns the job's end of it."""
        self.close_channel()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.channel = ours
        self.reader = FrameReader()
        return theirs

    def go(self) -> None:
        """Let the handler begin."""
        if self.channel is not None:
            try:
                self.channel.send(GO)
            except OSError:  # it died while it waited; the spawner tells
                return

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
        if self.channel is not None:
            self.channel.close()
            self.channel = None


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
