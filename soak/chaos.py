"""What is done to it: cancels, and STOP and KILL of jobs, spawners and supervisors at random moments."""

from __future__ import annotations

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


class Chaos:
    """Two supervisors: *steady*, whose processes are measured and never killed themselves, and *victim*."""

    def __init__(self, home: Home, client: Client, chance: random.Random) -> None:
        self._client, self._chance = client, chance
        self.steady = Supervisor(home, "--max-workers", "3", "--log-level", "warning").start()
        self.victim = Supervisor(home, "--max-workers", "3", "--log-level", "warning").start()
        self.done: Counter[str] = Counter()

    def strike(self) -> None:
        """One blow, chosen by chance."""
        blow = self._chance.choice(BLOWS)
        with suppress(AgentsError, ProcessLookupError, AssertionError):
            blow(self)
            self.done[blow.__name__] += 1

    def _running(self) -> AsyncJob | None:
        jobs = self._client.list(statuses=[AsyncJobStatus.RUNNING])
        return self._chance.choice(jobs) if jobs else None

    def cancel_a_job(self) -> None:
        """Through the client, as an operator does."""
        if job := self._running():
            self._client.cancel(job.job_id, reason="soak")

    def kill_a_job(self) -> None:
        """KILL its leader."""
        self._signal_job(signal.SIGKILL)

    def stop_a_job(self) -> None:
        """STOP its leader for good: its time limit has to end it."""
        self._signal_job(signal.SIGSTOP)

    def _signal_job(self, number: signal.Signals) -> None:
        job = self._running()
        if job and job.pid and job.pid_start == _start_of(job.pid):
            os.kill(job.pid, number)

    def kill_the_victims_spawner(self) -> None:
        """Its supervisor mends that."""
        os.kill(self.victim.spawner_pid, signal.SIGKILL)

    def stop_the_victim(self) -> None:
        """For a second; the spawner goes on."""
        self.victim.freeze()
        time.sleep(1)
        self.victim.thaw()

    def kill_the_victim(self) -> None:
        """And start it anew."""
        self.victim.kill()
        self.victim.start()

    def kill_the_victim_with_its_spawner(self) -> None:
        """In one instant: the next start, or the other supervisor, has to clean up."""
        self.victim.kill_with_spawner()
        self.victim.start()

    def revive(self) -> None:
        """Start the victim again if it has ended."""
        if self.victim.process.poll() is not None:
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
    Chaos.stop_the_victim,
    Chaos.kill_the_victim,
    Chaos.kill_the_victim_with_its_spawner,
)  # fmt: skip


def _start_of(pid: int) -> int | None:
    from agentsd.workers.process import start_ticks  # noqa: PLC0415 - the identity that the row stores

    return start_ticks(pid)
