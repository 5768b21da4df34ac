"""A spawner whose program is played: it obeys the real orders on the real link, one step at a time."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from agentsd.supervisor.spawner import SpawnerProcess
from agentsd.workers.frames import Kind, encode
from agentsd.workers.link import Link
from agentsd.workers.order import Order
from agentsd.workers.process import start_ticks
from support.machine.bodies import Bodies

ENDINGS: dict[str, tuple[Kind | None, dict[str, Any], dict[str, Any]]] = {
    "result": (Kind.RESULT, {"result": 1, "token": ""}, {"exit_code": 0, "signal": None}),
    "error": (Kind.ERROR, {"error": "E", "reason": "handler_error", "result": None}, {"exit_code": 1, "signal": None}),
    "conflict": (Kind.ERROR, {"error": "E", "reason": "conflict", "result": None}, {"exit_code": 1, "signal": None}),
    "exit": (None, {}, {"exit_code": 0, "signal": None}),
    "crash": (None, {}, {"exit_code": None, "signal": "SIGSEGV"}),
}  # fmt: skip
"""The ways in which a played handler ends: frame and exit status."""


@dataclass(slots=True)
class PlayedJob:
    """A job process and what it has left; without a ``job_id`` it stands by."""

    pid: int
    channel: socket.socket
    job_id: str = ""
    begun: bool = False
    cause: str = ""
    exit: dict[str, Any] | None = None
    daemons: list[int] = field(default_factory=list[int])


class _Process:
    """What a supervisor's view of its spawner asks of ``subprocess.Popen``."""

    def __init__(self, bodies: Bodies, pid: int) -> None:
        self._bodies, self.pid = bodies, pid

    def poll(self) -> int | None:
        """None while it lives."""
        return self.returncode

    @property
    def returncode(self) -> int | None:
        """None while it lives."""
        return None if self._bodies.is_alive(self.pid) else 0


class PlayedSpawner(SpawnerProcess):
    """Both ends: the supervisor's view, which is the real one, and the program behind the link."""

    def __init__(self, worker_id: str, bodies: Bodies, on_begin: Callable[[PlayedJob], None]) -> None:
        ours, theirs = socket.socketpair()
        self.pid = bodies.start(worker_id)
        self._process: Any = _Process(bodies, self.pid)
        self.pidfd = os.pidfd_open(self.pid)
        self.link = Link(ours)
        self._pings, self._unanswered_since, self._nudged, self._hung = 0, None, False, False
        self._worker_id, self._bodies, self._on_begin = worker_id, bodies, on_begin
        self._end = Link(theirs)
        self.wanted = 0
        self._wanted = 0
        self._waiting: list[PlayedJob] = []
        self.jobs: dict[str, PlayedJob] = {}
        self.fails_to_fork = False

    # -- the program --------------------------------------------------------------------------------

    def step(self) -> None:
        """One turn of the played program: orders, handlers that may begin, exits."""
        if not self._bodies.is_alive(self.pid):
            self._die()
            return
        for message in self._end.receive():
            self._obey(message)
        self._fork()
        for job in list(self.jobs.values()):
            self._look_at(job)
        if self._end.closed:
            self._end_everything()
        else:
            self._end.flush()

    def _obey(self, message: dict[str, Any]) -> None:
        match message["op"]:
            case "want":
                self._wanted = message["number"]
            case "lead":
                self._lead(Order.from_message(message), message["pid"])
            case "end":
                job = self.jobs.get(message["job_id"])
                if job is not None and job.exit is None:
                    job.cause = job.cause or message["cause"]
                    self._exit(job, {"exit_code": None, "signal": "SIGKILL"})
            case "ping":
                self._end.post({"op": "pong", "n": message["n"]})
            case _:
                pass

    def _fork(self) -> None:
        """Have as many stand by as are wanted."""
        while len(self._waiting) < self._wanted:
            if self.fails_to_fork:
                self._end.post({"op": "fork_failed", "error": "EAGAIN", "again_in": 0.0})
                return
            ours, theirs = socket.socketpair()
            theirs.setblocking(False)
            pid = self._bodies.start(self._worker_id)
            self._waiting.append(PlayedJob(pid, theirs))
            self._end.post({"op": "ready", "pid": pid, "start": start_ticks(pid)}, ours.detach())

    def _lead(self, order: Order, pid: int) -> None:
        for job in [job for job in self._waiting if job.pid == pid]:
            self._waiting.remove(job)
            job.job_id = order.job_id
            self.jobs[order.job_id] = job

    def _look_at(self, job: PlayedJob) -> None:
        """Notice a death; let the handler begin when it has its order."""
        if job.exit is None and not self._bodies.is_alive(job.pid):
            job.exit = {"exit_code": None, "signal": "SIGKILL"}
        if job.exit is not None:
            self._sweep(job)
        elif not job.begun:
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                if job.channel.recv(1 << 16):
                    job.begun = True
                    self._on_begin(job)
                else:  # the supervisor is gone
                    self._exit(job, {"exit_code": 0, "signal": None})

    def _sweep(self, job: PlayedJob) -> None:
        """End what it has left, and tell."""
        for pid in job.daemons:
            self._bodies.kill(pid)
        job.channel.close()
        del self.jobs[job.job_id]
        if not job.begun and not job.cause:
            self._end.post({"op": "not_begun", "job_id": job.job_id, "error": "it was killed"})
            return
        self._end.post(
            {"op": "ended", "job_id": job.job_id, "cause": job.cause, "stages": [], **(job.exit or {})}
        )

    def _exit(self, job: PlayedJob, status: dict[str, Any]) -> None:
        self._bodies.kill(job.pid)
        job.exit = status

    # -- what the surroundings do --------------------------------------------------------------------

    def end_handler(self, job: PlayedJob, how: str) -> None:
        """The handler ends by itself."""
        kind, frame, status = ENDINGS[how]
        if kind is not None:
            with contextlib.suppress(OSError):
                job.channel.send(encode(kind, orjson.dumps(frame)))
        self._exit(job, status)

    def leave_daemon(self, job: PlayedJob) -> None:
        """The handler starts something that outlives it."""
        job.daemons.append(self._bodies.start(self._worker_id))

    def kill(self) -> None:
        """SIGKILL; the kernel ends its job processes, not what those have left."""
        self._bodies.kill(self.pid)
        self._die()

    def _die(self) -> None:
        for job in (*self.jobs.values(), *self._waiting):
            self._bodies.kill(job.pid)
            job.channel.close()
        self.jobs.clear()
        self._waiting.clear()
        self._close_link()

    def _end_everything(self) -> None:
        """The end of the link."""
        for job in self.jobs.values():
            for pid in (job.pid, *job.daemons):
                self._bodies.kill(pid)
        self._bodies.kill(self.pid)
        self._die()

    def _close_link(self) -> None:
        with contextlib.suppress(OSError):
            self._end.socket.shutdown(socket.SHUT_RDWR)
        self._end.close()

    # -- the supervisor's view ------------------------------------------------------------------------

    def finish(self) -> None:
        """End it by closing the link; here it acts on that at once."""
        self.link.close()
        self.step()
        self._close()
