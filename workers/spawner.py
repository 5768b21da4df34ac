"""The spawner: forks job processes on its supervisor's word, waits for them, ends their trees.

A lean interpreter of its own: it forks two to three times as fast as one with a database imported, no
database handle ever exists in a process that forks, and supervisor and spawner guard each other. When the
supervisor is gone, whatever ended it, the link's end of file tells, every tree is ended and the spawner exits.
It has no PDEATHSIG, because then nobody would sweep.
"""

from __future__ import annotations

import math
import os
import select
import time

from agentsd.faults import reach
from agentsd.workers import cgroup
from agentsd.workers.board import Board
from agentsd.workers.forks import Forks, Standby
from agentsd.workers.leader import Leader
from agentsd.workers.link import Link
from agentsd.workers.memory import OutOfMemoryWatch
from agentsd.workers.order import Order
from agentsd.workers.process import LINUX, OwnChildren
from agentsd.workers.standby import Standbys
from agentsd.workers.sweep import STUCK_AFTER, own_children, sweep_round
from agentsd.workers.sweeper import Sweeper, cannot_be_ended, end_everything
from agentsd.workers.title import STANDING_BY, set_title

QUIET = 1
"""Milliseconds in which nothing happens until what can wait is done."""


class Spawner:
    """One thread, one poll; never blocks.

    After a fork each page costs a fault when it is first written again, and every function that runs writes to several
    (counts of references): a turn of the loop calls few, and none that has nothing to do.
    """

    def __init__(self, link: Link, title: str, worker_group: str | None = None, spare_logs: str = "") -> None:
        """*spare_logs* begins the path of each slot's spare log folder; empty: there are none."""
        self._link, self._title = link, title
        self._worker_group = worker_group
        self.board = Board()
        self._forks = Forks(self.board, worker_group, spare_logs)
        self._children = OwnChildren() if LINUX else own_children
        self._leaders: dict[str, Leader] = {}
        self._by_pid: dict[int, Leader] = {}
        self._by_fd: dict[int, Leader] = {}
        self._traced: dict[int, float] = {}
        """Job processes that have ended and cannot be reaped yet: pid -> when to tell."""
        self._known: set[int] = set()
        """Every child that is no orphan."""
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)
        self._standbys = Standbys(self._forks, self._poll, self._known, self._tell_of)
        self._due = math.inf
        self._watching_writes = False
        self._memory = OutOfMemoryWatch()
        self._sweeper = Sweeper(self._known, self._children)

    def run(self) -> None:
        """Serve until the supervisor is gone, then end every tree."""
        link = self._link.fileno()
        while not self._link.closed:
            ready = self._poll.poll(self._patience())
            if not ready:
                self._use_the_quiet()
            for fd, _ in ready:
                if fd != link:
                    self._hear(fd)
            if not LINUX:  # untested: macOS has no pidfd
                self._reap_ended()
            for fd, _ in ready:
                if fd == link:
                    self._obey()
            self._enforce(time.monotonic())
            if self._traced:
                self._reap_traced()
            if self._sweeper.ended:
                self._sweep()
            if self._link.has_unsent:
                self._flush()
        end_everything(self._worker_group, self._children)
        self._forks.close()
        if self._worker_group is not None:
            cgroup.remove(self._worker_group)

    # -- orders ------------------------------------------------------------------------------------

    def _obey(self) -> None:
        for message in self._link.receive():
            match message["op"]:
                case "lead":
                    self._lead(Order.from_message(message), message["pid"], message["at"])
                case "end":
                    if leader := self._leaders.get(message["job_id"]):
                        leader.end(message["cause"], message["grace"], message["signal"])
                case "want":
                    self._standbys.want(message["number"])
                case _:  # ping
                    self._link.post({"op": "pong", "n": message["n"]})

    def _lead(self, order: Order, pid: int, at: float) -> None:
        """A process that stands by gets a job: its supervisor gives it the order, as soon as it knows that this was told."""
        standby = self._standbys.lead(pid)
        if standby is None:
            self._not_begun(order, "its process had ended before it had an order")
            return
        leader = self._leaders[order.job_id] = Leader(
            order, pid, standby.pidfd, standby.start, self.board, standby.slot
        )
        self._by_pid[pid] = leader
        if leader.pidfd >= 0:
            self._by_fd[leader.pidfd] = leader
        leader.arm(at)

    def _not_begun(self, order: Order, error: str) -> None:
        self._link.post({"op": "not_begun", "job_id": order.job_id, "error": error})

    # -- processes that stand by -------------------------------------------------------------------

    def _use_the_quiet(self) -> None:
        """Nothing has happened for as long as there is patience: do what can wait, or what must not wait any longer."""
        now = time.monotonic()
        if self._standbys.lacks or self._standbys.due <= now:
            self._refill(now)
        elif self._standbys.has_changed:
            self._show_standbys()

    def _refill(self, now: float) -> None:
        problem = self._standbys.refill(now)
        if problem:
            self._link.post({"op": "fork_failed", "error": problem, "again_in": self._standbys.due - now})

    def _tell_of(self, standby: Standby) -> None:
        message = {"op": "ready", "pid": standby.pid, "start": standby.start}
        self._link.post(message, standby.channel_fd)
        reach("fork.told")

    def _show_standbys(self) -> None:
        """In the title: whoever has to tell orphans from what stands by cannot ask a supervisor that hangs.

        When it is quiet: while a queue is worked off it would change twice for each job.
        """
        self._standbys.has_changed = False
        pids = " ".join(map(str, self._standbys.pids))
        set_title(f"{self._title}{STANDING_BY}{pids}" if pids else self._title)

    def _lose(self, standby: Standby) -> None:
        """A process that stood by has ended; if memory ran out, that was counted for this one, not for a job."""
        how = self._standbys.lose(standby, time.monotonic())
        if how == "SIGKILL":
            self._memory.explains()
        self._link.post({"op": "gone", "pid": standby.pid, "error": how})

    # -- duties ------------------------------------------------------------------------------------

    def _patience(self) -> float | None:
        """How many milliseconds nothing is due."""
        if self._standbys.is_short:
            return 0
        if not LINUX and self._known:  # untested: macOS has no pidfd
            return 20
        due = min(self._due, self._standbys.due)
        if self._sweeper.ended:
            due = min(due, self._sweeper.due)
        patience = math.inf if due == math.inf else max(0.0, 1000 * (due - time.monotonic()))
        if self._standbys.lacks or self._standbys.has_changed:
            patience = min(patience, QUIET)
        return None if patience == math.inf else patience

    def _hear(self, fd: int) -> None:
        """A child has ended."""
        if fd not in self._by_fd:
            self._obey()  # it may have been given a job: that was told before it could begin
        self._poll.unregister(fd)
        if leader := self._by_fd.pop(fd, None):
            self._reap(leader)
        elif standby := self._standbys.of(fd):
            self._lose(standby)

    def _reap_ended(self) -> None:  # untested: macOS has no pidfd
        self._obey()
        for standby in self._standbys.ended():
            self._lose(standby)
        for leader in [*self._by_pid.values()]:
            if os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                self._reap(leader)

    def _reap(self, leader: Leader) -> None:
        """Take the exit status of a job process that has ended; what it left is swept next."""
        if not leader.reap():
            leader.due = None
            self._traced.setdefault(leader.pid, time.monotonic() + STUCK_AFTER)
            return
        self._traced.pop(leader.pid, None)
        if leader.pidfd >= 0:
            os.close(leader.pidfd)
        reach("sweep.begin")
        del self._by_pid[leader.pid]
        self._known.discard(leader.pid)
        group = leader.slot.group
        if leader.was_killed or (group is not None and group.counts_memory):
            self._memory.note(leader)
        self._sweeper.begin(leader)

    def _reap_traced(self) -> None:
        """Try again to reap those that have a debugger, which the kernel shows the dead process first.

        To wait for it would end every other job's limits: it may be at its prompt. It may also be a process that such a
        job has left, so those are ended here. What wakes the loop up for this are the looks at their output.
        """
        sweep_round(self._known, self._children)
        for pid, tell_at in [*self._traced.items()]:
            leader = self._by_pid[pid]
            self._reap(leader)
            if pid in self._traced and tell_at <= time.monotonic():
                self._traced[pid] = math.inf
                processes = [cannot_be_ended(pid)]
                self._link.post({"op": "unkillable", "job_id": leader.order.job_id, "processes": processes})

    def _enforce(self, now: float) -> None:
        """Deadlines, ladders and output limits. Notes when to do so again."""
        due, output_due = math.inf, math.inf
        for leader in self._by_pid.values():
            if leader.due is not None and leader.due <= now:
                leader.tick(now)
            if leader.due is not None:
                due = min(due, leader.due)
            output_due = min(output_due, leader.output.due)
        if output_due <= now:
            self._limit_output(now)
            self._enforce(now)  # nothing is due now, but other things later
        else:
            self._due = min(due, output_due)

    def _limit_output(self, now: float) -> None:
        for leader in self._by_pid.values():
            if now >= leader.output.may and leader.output.look():
                leader.end("output_limit", leader.order.grace)
        self._memory.look_if_due(now)  # no wake-up of its own

    def _sweep(self) -> None:
        """End what dead jobs left behind; a job has ended only when nothing is left."""
        for leader in self._sweeper.sweep():
            self._forget(leader)
        if self._sweeper.told:
            for told in self._sweeper.told:
                self._link.post({"op": "unkillable", **told})
            self._sweeper.told.clear()

    def _forget(self, leader: Leader) -> None:
        reach("sweep.end")
        job_id, slot = leader.order.job_id, leader.slot
        del self._leaders[job_id]
        stack = slot.stack.take() if slot.stack is not None else ""
        begun = self.board.has_begun(slot.number)
        ended = leader.exit or {}
        if slot.group is not None:
            slot.leave(clean=not leader.cause and ended.get("exit_code") == 0)
        is_over = begun or leader.cause
        if is_over:
            slot.log.keep(leader.order.log_dir)
        self._forks.give_back(slot)
        if not is_over:
            # No descriptor, no room for its log; or somebody killed it before it was a job's.
            how = ended.get("signal") or f"exit code {ended.get('exit_code')}"
            self._not_begun(leader.order, f"its process ended before it could begin ({how})")
            return
        told = {
            "op": "ended",
            "job_id": job_id,
            "cause": leader.cause,
            "stages": leader.stages,
            "stack": stack,
        }
        if leader.exit:
            told.update(leader.exit)
        self._link.post(told)
        reach("sweep.told")

    def _flush(self) -> None:
        all_sent = self._link.flush()
        if all_sent == self._watching_writes:
            self._watching_writes = not all_sent
            self._poll.modify(self._link, select.POLLIN | (0 if all_sent else select.POLLOUT))
