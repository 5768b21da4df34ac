"""The spawner: forks job processes on its supervisor's word, waits for them, ends their trees.

A lean interpreter of its own: it forks two to three times as fast as one with a database imported, no
database handle ever exists in a process that forks, and supervisor and spawner guard each other. When the
supervisor is gone, whatever ended it, the link's end of file tells, every tree is ended and the spawner exits.
It has no PDEATHSIG, because then nobody would sweep.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
import time
from importlib import import_module
from typing import NoReturn

from agentsd.workers import kernel
from agentsd.workers.board import Board
from agentsd.workers.child import SPAWNER_IGNORES, prepare, run_job
from agentsd.workers.leader import Leader
from agentsd.workers.link import LOST, Link, Message
from agentsd.workers.order import Order
from agentsd.workers.process import LINUX, OwnChildren, start_ticks, state
from agentsd.workers.sweep import PAUSE, own_children, sweep_round
from agentsd.workers.title import set_title

LINK_FD_VARIABLE = "AGENTS_SPAWNER_FD"
SLICE = 0.005
"""Seconds that one slice of sweeping takes at most; then the loop looks at everything else."""
OUTPUT_LOOK = 0.5
"""Seconds between looks at the size of running jobs' logs."""
STUCK_AFTER = 5.0
"""Seconds of sweeping after which the supervisor is told of processes that do not die."""
_ALL_SIGNALS = signal.valid_signals()


class Spawner:
    """One thread, one selector; never blocks."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pid = os.getpid()
        self._board = Board()
        self._children = OwnChildren() if LINUX else own_children
        self._leaders: dict[str, Leader] = {}
        self._by_pid: dict[int, Leader] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(link, selectors.EVENT_READ, None)
        self._watching_writes = False
        self._next_output_look = 0.0
        self._sweeping_since: float | None = None
        self._told_stuck: set[int] = set()

    def run(self) -> None:
        """Serve until the supervisor is gone, then end every tree."""
        while not self._link.closed:
            ready = self._selector.select(self._patience())
            self._reap(ready)
            self._obey(self._link.receive())
            self._enforce()
            self._sweep()
            self._flush()
        self._end_everything()

    # -- orders ------------------------------------------------------------------------------------

    def _obey(self, messages: list[tuple[Message, bytes]]) -> None:
        for message, body in messages:
            match message["op"]:
                case "fork":
                    self._fork(Order.from_message(message), body)
                case "arm":
                    if leader := self._leaders.get(message["job_id"]):
                        leader.arm(message["at"])
                case "end":
                    if leader := self._leaders.get(message["job_id"]):
                        leader.end(message["cause"], message["grace"], message["signal"])
                case _:  # ping
                    self._link.post({"op": "pong", "n": message["n"]})

    def _fork(self, order: Order, body: bytes) -> None:
        channel_fd = self._link.take_fd()
        if channel_fd == LOST:
            self._fork_failed(order, "no file descriptor left")
            return
        slot = self._board.take_slot()
        # Blocked across the fork: a TERM that arrived before the child has its own handlers would be
        # swallowed by those that it inherits.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                run_job(order, body, channel_fd, self._board, slot, self._pid)
        except OSError as error:
            self._board.give_back(slot)
            self._fork_failed(order, str(error))
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.close(channel_fd)
        self._adopt(order, pid, slot)

    def _fork_failed(self, order: Order, error: str) -> None:
        self._link.post({"op": "fork_failed", "job_id": order.job_id, "error": error})

    def _adopt(self, order: Order, pid: int, slot: int) -> None:
        pidfd = -1
        try:
            pidfd = os.pidfd_open(pid) if LINUX else -1
            start = start_ticks(pid) or 0
        except OSError as error:  # no descriptor left: a child that nobody could wait for must not run
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if pidfd >= 0:
                os.close(pidfd)
            self._board.give_back(slot)
            self._fork_failed(order, str(error))
            return
        leader = Leader(order, pid, pidfd, start, self._board, slot)
        self._leaders[order.job_id] = leader
        self._by_pid[pid] = leader
        if pidfd >= 0:
            self._selector.register(pidfd, selectors.EVENT_READ, leader)
        self._link.post({"op": "forked", "job_id": order.job_id, "pid": pid, "start": leader.start})

    # -- duties ------------------------------------------------------------------------------------

    def _patience(self) -> float | None:
        """How long nothing is due."""
        if self._sweeping_since is not None:
            return PAUSE
        moments = [leader.due for leader in self._leaders.values() if leader.due is not None]
        if self._leaders:
            moments.append(self._next_output_look)
        if not LINUX and self._leaders:  # untested: macOS has no pidfd
            return 0.02
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _reap(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        """Take the exit status of the job processes that have ended; what they left is swept next."""
        ended = [key.data for key, _ in ready if key.data is not None]
        if not LINUX:  # untested: macOS has no pidfd
            ended = [leader for leader in self._leaders.values() if _has_ended(leader.pid)]
        for leader in ended:
            if leader.pidfd >= 0:
                self._selector.unregister(leader.pidfd)
                os.close(leader.pidfd)
            leader.reap()
            del self._by_pid[leader.pid]
            self._sweeping_since = self._sweeping_since or time.monotonic()

    def _enforce(self) -> None:
        """Deadlines, ladders and output limits."""
        now = time.monotonic()
        for leader in self._leaders.values():
            leader.tick(now)
        if self._leaders and now >= self._next_output_look:
            self._next_output_look = now + OUTPUT_LOOK
            for leader in self._leaders.values():
                if leader.exit is None and _bytes_in(leader.order.log_dir) > leader.order.log_limit:
                    leader.end("output_limit", leader.order.grace)

    def _sweep(self) -> None:
        """End what dead jobs left behind; a job has ended only when nothing is left.

        An unknown child is an orphan of a dead job: a living job process is a subreaper itself and keeps
        its own. Whose orphan it is cannot be told, so all jobs that have ended wait for all orphans.
        """
        if self._sweeping_since is None:
            return
        until = time.monotonic() + SLICE
        while left := sweep_round(self._by_pid, self._children):
            if time.monotonic() >= until:
                self._report_stuck(left)
                return
            os.sched_yield()
        self._sweeping_since = None
        self._told_stuck.clear()
        for leader in [leader for leader in self._leaders.values() if leader.exit is not None]:
            self._forget(leader)

    def _forget(self, leader: Leader) -> None:
        del self._leaders[leader.order.job_id]
        self._board.give_back(leader.slot)
        self._link.post(
            {
                "op": "ended",
                "job_id": leader.order.job_id,
                "cause": leader.cause,
                "stages": leader.stages,
                **(leader.exit or {}),
            }
        )

    def _report_stuck(self, left: list[int]) -> None:
        """Tell of processes that KILL does not end (uninterruptible sleep); the loop goes on."""
        if self._sweeping_since is None or time.monotonic() - self._sweeping_since < STUCK_AFTER:
            return
        new = [pid for pid in left if pid not in self._told_stuck and state(pid) == "D"]
        if new:
            self._told_stuck.update(new)
            self._link.post({"op": "unkillable", "pids": new})

    def _flush(self) -> None:
        all_sent = self._link.flush()
        if all_sent == self._watching_writes:
            self._watching_writes = not all_sent
            events = selectors.EVENT_READ | (0 if all_sent else selectors.EVENT_WRITE)
            self._selector.modify(self._link, events, None)

    def _end_everything(self) -> None:
        """The supervisor is gone: KILL every job process and all that any of them left, then go."""
        while sweep_round((), self._children):
            time.sleep(PAUSE)


def _has_ended(pid: int) -> bool:  # untested: macOS has no pidfd
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _bytes_in(directory: str) -> int:
    """Bytes of all files in a job's log directory."""
    try:
        with os.scandir(directory) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


def _preload(modules: list[str]) -> str:
    """Import *modules* once for all jobs. Returns why that cannot be used, or the empty string."""
    for module in modules:
        try:
            import_module(module)
        except Exception as error:  # noqa: BLE001 - whatever a user's module raises
            return f"{module}: {type(error).__name__}: {error}"
        # A fork copies only the thread that forks: locks that others hold are held for ever in the child.
        if LINUX and len(os.listdir("/proc/self/task")) > 1:
            return f"{module} starts a thread when it is imported"
    return ""


def main() -> NoReturn:
    """The program. Ends with exit code 0 when its supervisor is gone."""
    for number in SPAWNER_IGNORES:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    kernel.adopt_orphans()
    worker_id, preload = sys.argv[1], sys.argv[2].split(",") if sys.argv[2] else []
    set_title(f"agents spawner {worker_id}")
    link = Link(socket.socket(fileno=int(os.environ.pop(LINK_FD_VARIABLE))))
    os.set_inheritable(link.fileno(), False)
    if problem := _preload(preload):
        # Before any order is read: the supervisor starts another one without these modules.
        link.post({"op": "preload_refused", "problem": problem})
        link.flush()
        sys.exit(0)
    prepare()
    gc.collect()
    gc.freeze()  # a child's collection would touch, and so copy, every page
    Spawner(link).run()
    link.close()
    sys.exit(0)
