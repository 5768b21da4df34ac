"""From the exit of a job process to "nothing is left": the two nets below a job, and what neither can end.

The first net is the job's control group, where there is one: what is in it belongs to that job. The second is the
subreaper: an unknown child of the spawner is an orphan of a dead job, because a living job process is a subreaper
itself. Whose orphan it is cannot be told by that, so every job that had ended when the orphan was first seen
waits for it.

A process that KILL does not end (uninterruptible sleep) is set aside with the jobs that may have left it. They
stay as they are, their slots taken, until it ends; everything else goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection

from agentsd.faults import reach
from agentsd.workers.cgroup import kill_all, lines_of
from agentsd.workers.leader import Leader
from agentsd.workers.process import descendants, kill_identified, name, start_ticks, state
from agentsd.workers.sweep import PAUSE, STUCK_AFTER, Standstill, sweep_round

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from agentsd.model import JSON

SLICE = 0.005
"""Seconds that one slice of sweeping takes at most; then the loop looks at everything else."""
LOOK_AT_STUCK = 0.5
"""Seconds between looks at what was set aside."""


class Stray:
    """A killed process that is not gone. ``since`` is ``time.monotonic()``."""

    __slots__ = ("since", "suspects")

    def __init__(self, since: float, suspects: frozenset[str]) -> None:
        self.since, self.suspects = since, suspects


class Sweeper:
    """Knows the job processes that have ended and have something left."""

    __slots__ = (
        "_aside", "_busy", "_full", "_given_up", "_next_look", "_strays", "ended", "known", "list_children", "told",
    )  # fmt: skip

    def __init__(self, known: Collection[int], list_children: Callable[[], list[int]]) -> None:
        """*known* are the pids that live."""
        self.known, self.list_children = known, list_children
        self.ended: dict[str, Leader] = {}
        """By job id: those whose end is not reported yet."""
        self.told: list[dict[str, JSON]] = []
        """What was set aside since somebody took it from here: per job, its processes."""
        self._busy = False
        self._strays: dict[int, Stray] = {}
        self._aside: dict[int, frozenset[str]] = {}
        self._full: dict[str, float] = {}
        """Jobs whose group does not get empty, and since when."""
        self._given_up: set[str] = set()
        self._next_look = 0.0

    def begin(self, leader: Leader) -> None:
        """A job process has been reaped."""
        self.ended[leader.order.job_id] = leader
        self._busy = True

    @property
    def due(self) -> float:
        """When there is something to do, while any has ``ended``; ``time.monotonic()``."""
        return time.monotonic() + PAUSE if self._busy else self._next_look

    def sweep(self) -> list[Leader]:
        """One slice; returns the jobs of which nothing is left."""
        if self._aside or self._given_up:
            self._look_at_stuck()
        if not self._busy:
            return []
        until = time.monotonic() + SLICE
        while self._round():
            if time.monotonic() >= until:
                self._set_aside()
                return []
            os.sched_yield()
        self._busy = False
        if self._strays or self._full or self._aside or self._given_up:
            return self._done_but_held()
        done = [*self.ended.values()]
        self.ended.clear()
        return done

    def _done_but_held(self) -> list[Leader]:
        """There was something: of which jobs nothing is left now."""
        self._strays.clear()
        self._full.clear()
        self._next_look = time.monotonic() + LOOK_AT_STUCK
        held = self._given_up.union(*self._aside.values())
        done = [leader for job_id, leader in self.ended.items() if job_id not in held]
        for leader in done:
            del self.ended[leader.order.job_id]
        return done

    def _round(self) -> bool:
        """KILL whatever is left and was not set aside; returns whether there was anything."""
        full = False
        for job_id, leader in self.ended.items():
            if leader.slot.group is not None and job_id not in self._given_up and not leader.slot.is_empty():
                full = True
                self._full.setdefault(job_id, time.monotonic())
        strays = sweep_round({*self.known, *self._aside} if self._aside else self.known, self.list_children)
        if strays:
            reach("sweep.between")
            for pid in strays:
                if pid not in self._strays:
                    self._strays[pid] = Stray(time.monotonic(), frozenset(self.ended))
        return full or bool(strays)

    # -- what does not die --------------------------------------------------------------------------

    def _set_aside(self) -> None:
        """Wait no longer for what was killed long ago, and go on with everything else."""
        before = time.monotonic() - STUCK_AFTER
        left = set(self.list_children())
        for pid, stray in self._strays.items():
            if pid in left and stray.since < before:
                self._aside[pid] = suspects = self._owners(pid, stray.suspects)
                self._tell(suspects, [pid])
        for pid in self._aside:
            self._strays.pop(pid, None)
            # Below a process that does not die, nobody becomes this process's child.
            for below in descendants(pid):
                kill_identified(below)
        for job_id, since in self._full.items():
            if since < before and job_id not in self._given_up:
                self._given_up.add(job_id)
                if not any(job_id in suspects for suspects in self._aside.values()):
                    group = self.ended[job_id].slot.group
                    self._tell({job_id}, group.processes() if group else [])

    def _owners(self, pid: int, suspects: frozenset[str]) -> frozenset[str]:
        """The job in whose group *pid* is, if that can be told; else all *suspects*."""
        try:
            place = lines_of(f"/proc/{pid}/cgroup")
        except OSError:
            return suspects
        sure = frozenset(
            job_id for job_id in suspects if (group := self.ended[job_id].slot.group) and group.holds(place)
        )
        return sure or suspects

    def _tell(self, jobs: Collection[str], pids: list[int]) -> None:
        processes = [cannot_be_ended(pid) for pid in pids]
        self.told += [{"job_id": job_id, "processes": processes} for job_id in sorted(jobs)]

    def _look_at_stuck(self) -> None:
        """See whether what was set aside has ended at last; then its jobs are swept once more."""
        if not (self._aside or self._given_up) or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_AT_STUCK
        there = set(self.list_children())
        for pid in list(self._aside):
            if pid not in there or os.waitpid(pid, os.WNOHANG)[0]:
                del self._aside[pid]
                self._busy = True
        for job_id in [job_id for job_id in self._given_up if self.ended[job_id].slot.is_empty()]:
            self._given_up.discard(job_id)
            self._busy = True

    def is_stuck(self) -> bool:
        """Whether everything that is left was set aside."""
        return bool(self.ended) and not self._busy


def cannot_be_ended(pid: int) -> dict[str, JSON]:
    """What is told of a process that KILL does not end."""
    return {"pid": pid, "state": state(pid) or "", "name": name(pid), "start": start_ticks(pid) or 0}


def end_everything(worker_group: str | None, list_children: Callable[[], list[int]]) -> None:
    """The supervisor is gone: KILL every job process and all that any of them left, round by round."""
    standstill = Standstill(STUCK_AFTER)
    reach("orphans.begin")
    while (left := _kill_everything(worker_group, list_children)) and not standstill.holds_for(left):
        reach("orphans.between")
        time.sleep(PAUSE)  # those that were killed are on their way out; each round reaps what has ended


def _kill_everything(worker_group: str | None, list_children: Callable[[], list[int]]) -> set[int]:
    in_group = kill_all(worker_group) if worker_group is not None else []
    return {*sweep_round((), list_children), *in_group}
