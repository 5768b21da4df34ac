"""Guarding the spawner: noticing that it is gone, ending what it leaves, starting another.

When a spawner dies, PDEATHSIG ends its job processes, and whatever they leave becomes this process's child
(the supervisor is a subreaper too). All of it is ended before a job is called lost.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from agentsd.faults import reach
from agentsd.model import JSON
from agentsd.supervisor.fleet import Fleet
from agentsd.supervisor.notices import Listener, Notice
from agentsd.supervisor.running import RunningJob, Stage
from agentsd.supervisor.spawner import SpawnerProcess
from agentsd.supervisor.timers import Timers
from agentsd.workers import cgroup
from agentsd.workers.process import children, is_marked, start_ticks, state
from agentsd.workers.sweep import STUCK_AFTER, Standstill
from agentsd.workers.sweeper import LOOK_AT_STUCK, cannot_be_ended

MOST_DEATHS, WITHIN = 5, 60.0
"""So many deaths of spawners in so many seconds end the worker."""
ROUND_PAUSE = 0.002
RETRY = 0.5
"""Seconds until a spawner that could not be started is tried again."""


class SpawnerGuard:
    """Keeps one spawner alive for a supervisor."""

    def __init__(
        self,
        worker_id: str,
        selector: selectors.BaseSelector,
        timers: Timers,
        listener: Listener,
        preload: Callable[[], tuple[str, ...]],
        worker_group: Path | None = None,
        spare_logs: str = "",
    ) -> None:
        self._worker_id = worker_id
        self._selector, self._timers, self._listener = selector, timers, listener
        self._preload = preload
        self._worker_group, self._spare_logs = worker_group, spare_logs
        self._refused: set[tuple[str, ...]] = set()
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)
        # Children that were here before are not ours: exec'ed by a shell, a process inherits some.
        self._innocent = frozenset(children(os.getpid()))
        self._may_adopt_innocents = bool(self._innocent) or os.getpid() == 1
        self._exits: dict[int, int] = {}
        self._standstill = Standstill(STUCK_AFTER)
        self._death: dict[str, JSON] = {}
        """Which spawner died last, and of what."""
        self._stuck: dict[int, int] = {}
        """What KILL did not end after the death of a spawner: pid -> start ticks."""
        self._held: list[RunningJob] = []
        """The jobs that may have left it."""
        self._watching_writes = False
        self._expected_end = False
        """The spawner ends by itself: it has refused what it was to preload."""
        self.fleet: Fleet
        self.given_up = False
        """Spawners die again and again: the worker has to end."""
        self.spawner = self._start()

    def _start(self) -> SpawnerProcess:
        preload = self._preload()
        wanted = () if preload in self._refused else preload
        spawner = SpawnerProcess(self._worker_id, wanted, self._worker_group, self._spare_logs)
        self._selector.register(spawner.link, selectors.EVENT_READ, self.hear)
        self._watching_writes = False
        return spawner

    # -- the loop's calls ---------------------------------------------------------------------------

    def hear(self) -> None:
        """Take what the spawner has sent; its end of file says that it is gone."""
        for message in self.spawner.hear():
            if message["op"] == "preload_refused":
                self._refused.add(self._preload())
                self._expected_end = True
                self._listener(Notice("preload_refused", {"problem": message["problem"]}, "warning"))
            elif message["op"] == "no_group":
                if self._worker_group is not None:
                    cgroup.remove(self._worker_group)
                self._worker_group = None
                self._listener(
                    Notice("containment", {"uses": "subreaper", "because": message["problem"]}, "warning")
                )
            else:
                self.fleet.hear(message)
        if self.spawner.link.closed:
            self._mourn()

    def flush(self) -> bool:
        """Send what waits, and watch for room if the socket is full. Returns whether all was sent."""
        if self.spawner.link.closed:
            return False
        all_sent = self.spawner.link.flush()
        if all_sent == self._watching_writes:
            self._watching_writes = not all_sent
            events = selectors.EVENT_READ | (0 if all_sent else selectors.EVENT_WRITE)
            self._selector.modify(self.spawner.link, events, self.hear)
        return all_sent

    def want(self, number: int) -> None:
        """From now on, let so many processes wait for jobs."""
        if not self.spawner.link.closed:
            self.spawner.want(number)

    def ping(self) -> None:
        """Ask for a sign of life; while one is missing, ask more often."""
        if not self.spawner.link.closed:
            self.spawner.ping()

    # -- a death ------------------------------------------------------------------------------------

    def _mourn(self) -> None:
        """The spawner is gone: first end what it leaves, round by round, then start another."""
        self._selector.unregister(self.spawner.link)
        reach("mourn.begin")
        if not self._expected_end:
            self._deaths.append(time.monotonic())
            self._listener(Notice("spawner_lost", {"pid": self.spawner.pid}, "warning"))
        self._expected_end = False
        self._standstill = Standstill(STUCK_AFTER)
        self.spawner.signal(signal.SIGKILL)  # one that closed its link and lives on would be of no use
        self.fleet.use(None)
        self._mourn_round()

    def _mourn_round(self) -> None:
        try:
            self._mourn_on()
        except OSError as error:
            # No descriptor or no process to be had: nothing is known, and no spawner can be started. It goes on later.
            self._listener(Notice("spawner_waits", {"error": str(error), "again_in": RETRY}, "warning"))
            self._timers.set("mourn", RETRY, self._mourn_round)

    def _mourn_on(self) -> None:
        left = self._end_leftovers() if self.spawner.has_ended() else {self.spawner.pid}
        if left and not self._standstill.holds_for(left):
            self._timers.set("mourn", ROUND_PAUSE, self._mourn_round)
            return
        self._leave(left)
        reach("mourn.swept")
        self._death = {"spawner_pid": self.spawner.pid, "spawner_end": self.spawner.how_it_ended()}
        self.spawner.forget()
        self._bury_jobs()
        if len(self._deaths) == MOST_DEATHS and self._deaths[-1] - self._deaths[0] < WITHIN:
            self.given_up = True
            return
        self.spawner = self._start()
        reach("mourn.restarted")
        self.fleet.ledger.spawner_pid = self.spawner.pid
        self.fleet.use(self.spawner)

    def _end_leftovers(self) -> set[int]:
        """KILL what the spawner has left, in the worker's control group and among this process's children."""
        in_group = cgroup.kill_all(self._worker_group) if self._worker_group is not None else []
        return {*self._end_adopted(), *in_group} - self._stuck.keys()

    def _leave(self, stuck: set[int]) -> None:
        """KILL does not end these: their jobs, whichever it was, stay as they are; the others go on."""
        if not stuck:
            return
        self._stuck.update({pid: start_ticks(pid) or 0 for pid in stuck})
        processes = [cannot_be_ended(pid) for pid in sorted(stuck)]
        for running in self._leaders().values():
            if running.stage is Stage.GOING and running not in self._held:
                self._held.append(running)
                self.fleet.cannot_be_ended(running, processes)
        self._timers.set("stuck", LOOK_AT_STUCK, self._look_at_stuck)

    def _look_at_stuck(self) -> None:
        """See whether what KILL did not end has ended at last; then the jobs that may have left it have, too."""
        for pid, start in list(self._stuck.items()):
            _reap_if_own(pid)
            if start_ticks(pid) != start or state(pid) == "Z":
                del self._stuck[pid]
        if self._stuck:
            self._timers.set("stuck", LOOK_AT_STUCK, self._look_at_stuck)
            return
        held, self._held = self._held, []
        for running in held:
            self._bury(running)

    def _end_adopted(self) -> list[int]:
        """KILL and reap the children that the spawner's death has left here; returns those found."""
        others = [
            pid
            for pid in children(os.getpid())
            if pid not in {self.spawner.pid, *self._stuck, *self._innocent}
        ]
        adopted = [pid for pid in others if self._is_remnant(pid)]
        for pid in others:  # what stood by is dead, and a zombie has no marker
            if pid not in adopted and state(pid) == "Z":
                _reap_if_own(pid)
        for pid in adopted:
            with contextlib.suppress(PermissionError):  # it has become ``sudo``: what stays is set aside
                os.kill(pid, signal.SIGKILL)
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                self._exits[pid] = os.waitstatus_to_exitcode(status)
        return adopted

    def _is_remnant(self, pid: int) -> bool:
        """Whether an adopted child came from a job.

        Where others may be adopted too, only the marker or a known identity proves it.
        """
        if not self._may_adopt_innocents or pid in self._leaders():
            return True
        try:
            return is_marked(pid, self._worker_id)
        except OSError:
            return False

    def _leaders(self) -> dict[int, RunningJob]:
        return {job.pid: job for job in self.fleet.running.values() if job.pid is not None}

    def _bury_jobs(self) -> None:
        """Nothing is left of the jobs that were going: their ends can be written."""
        for running in self._leaders().values():
            if running.stage is Stage.GOING and running not in self._held:
                self._bury(running)
        self._exits.clear()

    def _bury(self, running: RunningJob) -> None:
        code = self._exits.get(running.pid or 0)
        facts: dict[str, JSON] = {
            "op": "ended", "cause": running.end_asked or "worker_lost", "stages": [], **self._death,
        }  # fmt: skip
        if code is not None and code >= 0:
            facts["exit_code"] = code
        self.fleet.ended(running, facts)

    def finish(self) -> None:
        """End the spawner and every tree that it still has."""
        if not self.spawner.link.closed:
            self._selector.unregister(self.spawner.link)
            self.spawner.finish()
        if self._worker_group is not None:
            cgroup.remove(self._worker_group)


def _reap_if_own(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # it is another's child
        os.waitpid(pid, os.WNOHANG)
