"""What is done to it: cancels, and STOP and KILL of jobs, spawners and supervisors, alone and together, at random moments."""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from support.home import Home
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.errors import AgentsError
from agentsd.model import AsyncJob, AsyncJobStatus
from agentsd.workers.process import start_ticks

TTL = 10.0
"""Seconds of silence after which a supervisor is lost; some stops are longer."""


class Chaos:
    """Two supervisors: *steady*, whose processes are measured and never killed themselves, and *victim*."""

    def __init__(self, home: Home, client: Client, chance: random.Random) -> None:
        self._client, self._chance = client, chance
        self.steady = Supervisor(home, "--max-workers", "3", "--log-level", "warning").start()
        self.victim = Supervisor(home, "--max-workers", "3", "--log-level", "warning").start()
        self.done: Counter[str] = Counter()
        self._thaw_at = math.inf

    def strike(self) -> None:
        """One blow, chosen by chance. What it is to hit may be gone, or its row may."""
        blow = self._chance.choice(BLOWS)
        with suppress(AgentsError, ProcessLookupError, AssertionError):
            blow(self)
            self.done[blow.__name__] += 1

    def _running(self) -> AsyncJob:
        """A job that runs. Raises ProcessLookupError, so that a blow which hits nothing is not counted."""
        jobs = self._client.list(statuses=[AsyncJobStatus.RUNNING])
        if not jobs:
            raise ProcessLookupError
        return self._chance.choice(jobs)

    def cancel_a_job(self) -> None:
        """Through the client, as an operator does."""
        self._client.cancel(self._running().job_id, reason="soak")

    def kill_a_job(self) -> None:
        """KILL its leader."""
        self._signal_job(signal.SIGKILL)

    def stop_a_job(self) -> None:
        """STOP its leader for good: its time limit has to end it."""
        self._signal_job(signal.SIGSTOP)

    def _signal_job(self, number: signal.Signals) -> None:
        job = self._running()
        if not job.pid or job.pid_start != start_ticks(job.pid):
            raise ProcessLookupError
        os.kill(job.pid, number)

    def kill_the_victims_spawner(self) -> None:
        """Its supervisor mends that."""
        os.kill(self.victim.spawner_pid, signal.SIGKILL)

    def stop_the_victims_spawner(self) -> None:
        """For good: its supervisor wakes it after ten seconds without an answer."""
        os.kill(self.victim.spawner_pid, signal.SIGSTOP)

    def stop_the_victim(self) -> None:
        """For a moment, or for longer than the TTL; the spawner goes on. :meth:`revive` wakes it."""
        self.victim.freeze()
        self._thaw_at = time.monotonic() + self._chance.uniform(0.2, 2) * TTL

    def kill_the_victim(self) -> None:
        """:meth:`revive` starts it anew."""
        self.victim.kill()

    def kill_the_victim_with_its_spawner(self) -> None:
        """In one instant: the next start, or the other supervisor, has to clean up."""
        self.victim.kill_with_spawner()

    def kill_two_or_three_at_once(self) -> None:
        """Of the victim, its spawner and a job of it."""
        row = self.victim.row
        jobs = [
            job.pid
            for job in self._client.list(statuses=[AsyncJobStatus.RUNNING])
            if job.worker_id == row.worker_id
        ]
        pids = [row.pid, row.spawner_pid, *self._chance.sample(jobs, min(1, len(jobs)))]
        chosen = [pid for pid in self._chance.sample(pids, self._chance.randint(2, len(pids))) if pid]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in chosen:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        if row.pid in chosen:
            self.victim.process.wait()

    def revive(self) -> None:
        """Wake the victim up if it has been stopped for long enough; start it again if it has ended, which has to work."""
        if time.monotonic() >= self._thaw_at:
            self._thaw_at = math.inf
            self.victim.thaw()
        if self.victim.process.poll() is not None:
            self._thaw_at = math.inf
            self.victim.start()

    def end(self) -> None:
        """Stop both as an operator does."""
        for supervisor in (self.victim, self.steady):
            supervisor.stop()


BLOWS: tuple[Callable[[Chaos], None], ...] = (
    Chaos.cancel_a_job, Chaos.cancel_a_job, Chaos.cancel_a_job,
    Chaos.kill_a_job, Chaos.kill_a_job,
    Chaos.stop_a_job,
    Chaos.kill_the_victims_spawner,
    Chaos.stop_the_victims_spawner,
    Chaos.stop_the_victim,
    Chaos.kill_the_victim,
    Chaos.kill_the_victim_with_its_spawner,
    Chaos.kill_two_or_three_at_once,
)  # fmt: skip
