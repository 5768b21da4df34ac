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
from pathlib import Path
from typing import NoReturn

from agentsd.faults import reach
from agentsd.workers import cgroup, kernel
from agentsd.workers.board import Board
from agentsd.workers.child import SPAWNER_IGNORES, prepare, run_job
from agentsd.workers.leader import Leader
from agentsd.workers.link import LOST, Link, Message
from agentsd.workers.memory import OutOfMemoryWatch
from agentsd.workers.order import Order
from agentsd.workers.process import LINUX, OwnChildren, start_ticks
from agentsd.workers.slot import Slot
from agentsd.workers.sweep import PAUSE, STUCK_AFTER, Standstill, own_children, sweep_round
from agentsd.workers.sweeper import Sweeper
from agentsd.workers.title import set_title

LINK_FD_VARIABLE = "AGENTS_SPAWNER_FD"
MEMORY_LOOK = 0.4
"""Seconds at least between looks at the kernel's counters of processes that it killed for want of memory."""
_ALL_SIGNALS = signal.valid_signals()


class Spawner:
    """One thread, one selector; never blocks."""

    def __init__(self, link: Link, worker_group: Path | None = None) -> None:
        self._link = link
        self._worker_group = worker_group
        self._slots: dict[int, Slot] = {}
        self._pid = os.getpid()
        self._board = Board()
        self._children = OwnChildren() if LINUX else own_children
        self._leaders: dict[str, Leader] = {}
        self._by_pid: dict[int, Leader] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(link, selectors.EVENT_READ, None)
        self._watching_writes = False
        self._next_memory_look = 0.0
        self._memory = OutOfMemoryWatch()
        self._sweeper = Sweeper(self._by_pid, self._children)

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
        number = self._board.take_slot()
        # Blocked across the fork: a TERM that arrived before the child has its own handlers would be
        # swallowed by those that it inherits.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
        try:
            slot = self._slot(number)
            reach("fork.before")
            pid = os.fork()
            if pid == 0:
                run_job(order, body, channel_fd, self._board, slot, self._pid)
        except OSError as error:
            self._board.give_back(number)
            self._fork_failed(order, str(error))
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.close(channel_fd)
        self._adopt(order, pid, slot)

    def _slot(self, number: int) -> Slot:
        """What the job in slot *number* gets. Raises OSError if there is no descriptor left."""
        if number not in self._slots:
            self._slots[number] = Slot(number, self._worker_group)
        self._slots[number].prepare()
        return self._slots[number]

    def _fork_failed(self, order: Order, error: str) -> None:
        self._link.post({"op": "fork_failed", "job_id": order.job_id, "error": error})

    def _adopt(self, order: Order, pid: int, slot: Slot) -> None:
        pidfd = -1
        try:
            reach("fork.forked")
            pidfd = os.pidfd_open(pid) if LINUX else -1
            start = start_ticks(pid) or 0
        except OSError as error:  # no descriptor left: a child that nobody could wait for must not run
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if pidfd >= 0:
                os.close(pidfd)
            self._board.give_back(slot.number)
            self._fork_failed(order, str(error))
            return
        leader = Leader(order, pid, pidfd, start, self._board, slot)
        self._leaders[order.job_id] = leader
        self._by_pid[pid] = leader
        if pidfd >= 0:
            self._selector.register(pidfd, selectors.EVENT_READ, leader)
        self._link.post({"op": "forked", "job_id": order.job_id, "pid": pid, "start": leader.start})
        reach("fork.told")

    # -- duties ------------------------------------------------------------------------------------

    def _patience(self) -> float | None:
        """How long nothing is due."""
        now = time.monotonic()
        moments = [leader.due for leader in self._leaders.values() if leader.due is not None]
        if self._leaders:
            moments += [leader.output.due for leader in self._leaders.values() if leader.exit is None]
        if (patience := self._sweeper.patience()) is not None:
            moments.append(now + patience)
        if not LINUX and self._leaders:  # untested: macOS has no pidfd
            return 0.02
        return max(0.0, min(moments) - now) if moments else None

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
            reach("sweep.begin")
            del self._by_pid[leader.pid]
            self._note_memory(leader)
            self._sweeper.begin(leader)

    def _note_memory(self, leader: Leader) -> None:
        """See whether the kernel killed for want of memory, in the job's group or, when it was killed, near it."""
        if leader.exit is None:
            return
        group = leader.slot.group
        leader.exit["oom_kills"] = group.oom_kills() - leader.slot.oom_before if group is not None else 0
        if leader.exit["signal"] != "SIGKILL" or leader.cause or leader.exit["oom_kills"]:
            return
        # A group of its own that counts and has counted nothing: whatever ran out, this job was not its victim.
        if not (group is not None and group.counts_memory) and self._memory.explains():
            leader.exit["oom_suspicion"] = "in its worker's memory group"
        elif self._memory.hints():
            leader.exit["oom_hint"] = "on this machine"

    def _enforce(self) -> None:
        """Deadlines, ladders and output limits."""
        now = time.monotonic()
        for leader in self._leaders.values():
            leader.tick(now)
        self._limit_output([leader for leader in self._leaders.values() if leader.exit is None], now)

    def _limit_output(self, leaders: list[Leader], now: float) -> None:
        if not any(now >= leader.output.due for leader in leaders):
            return
        for leader in leaders:
            if now >= leader.output.may and leader.output.look():
                leader.end("output_limit", leader.order.grace)
        if now >= self._next_memory_look:  # no wake-up of its own
            self._next_memory_look = now + MEMORY_LOOK
            self._memory.look()

    def _sweep(self) -> None:
        """End what dead jobs left behind; a job has ended only when nothing is left."""
        for leader in self._sweeper.sweep():
            self._forget(leader)
        for told in self._sweeper.told:
            self._link.post({"op": "unkillable", **told})
        self._sweeper.told.clear()

    def _forget(self, leader: Leader) -> None:
        reach("sweep.end")
        del self._leaders[leader.order.job_id]
        stack = leader.slot.stack.take() if leader.slot.stack is not None else ""
        begun = self._board.has_begun(leader.slot.number)
        leader.slot.leave(clean=not leader.cause and bool(leader.exit) and leader.exit.get("exit_code") == 0)
        self._board.give_back(leader.slot.number)
        if not begun and not leader.cause and leader.exit and leader.exit["exit_code"] is not None:
            # It gave up by itself: no descriptor, no room for its log. A signal is somebody's wish, and ends the job.
            code = leader.exit["exit_code"]
            self._fork_failed(leader.order, f"its process ended before it could begin (exit code {code})")
            return
        self._link.post(
            {
                "op": "ended",
                "job_id": leader.order.job_id,
                "cause": leader.cause,
                "stages": leader.stages,
                "stack": stack,
                **(leader.exit or {}),
            }
        )
        reach("sweep.told")

    def _flush(self) -> None:
        all_sent = self._link.flush()
        if all_sent == self._watching_writes:
            self._watching_writes = not all_sent
            events = selectors.EVENT_READ | (0 if all_sent else selectors.EVENT_WRITE)
            self._selector.modify(self._link, events, None)

    def _end_everything(self) -> None:
        """The supervisor is gone: KILL every job process and all that any of them left, then go."""
        standstill = Standstill(STUCK_AFTER)
        reach("orphans.begin")
        while (left := self._kill_everything()) and not standstill.holds_for(left):
            reach("orphans.between")
            time.sleep(PAUSE)
        for slot in self._slots.values():
            slot.close()
        if self._worker_group is not None:
            cgroup.remove(self._worker_group)

    def _kill_everything(self) -> set[int]:
        in_group = cgroup.kill_all(self._worker_group) if self._worker_group is not None else []
        return {*sweep_round((), self._children), *in_group}


def _has_ended(pid: int) -> bool:  # untested: macOS has no pidfd
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


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
    worker_group = _probed(link, sys.argv[3])
    gc.collect()
    gc.freeze()  # a child's collection would touch, and so copy, every page
    Spawner(link, worker_group).run()
    link.close()
    sys.exit(0)


def _probed(link: Link, path: str) -> Path | None:
    """The worker's control group, if jobs can join one below it; tells the supervisor if they cannot."""
    if not path:
        return None
    try:
        cgroup.probe(Path(path))
    except OSError as error:
        link.post({"op": "no_group", "problem": str(error)})
        return None
    return Path(path)
