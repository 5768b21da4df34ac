"""How fast jobs are enqueued, claimed, started and drained, and what an idle supervisor costs.

Every benchmark runs the real thing: a store on disk, ``agents worker start``, jobs in processes.
"""

from __future__ import annotations

import subprocess
import time
from datetime import datetime
from pathlib import Path
from statistics import median

import psutil
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd.store import claims
from agentsd.store.jobs import NewJob, insert

IDLE_SECONDS = 5.0


class _AtHome:
    """A fresh home for each run of a benchmark."""

    timeout = 300

    def setup(self, *_: object) -> None:
        self.home = Home()
        self.client = self.home.connect()

    def teardown(self, *_: object) -> None:
        self.client.close()
        self.home.remove()

    def fill(self, queued: int, phase: str = "noop") -> None:
        """Enqueue *queued* jobs in one transaction."""
        with self.client.db.write() as tx:
            for _ in range(queued):
                insert(tx, NewJob(phase=phase))


class Claim(_AtHome):
    """One claim, with many jobs in the queue: it must not depend on how many."""

    params = (100, 10_000, 100_000)
    param_names = ("queued",)
    number, repeat, warmup_time = 1, 20, 0

    def setup(self, queued: int) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().setup()
        self.fill(queued)

    def time_claim(self, queued: int) -> None:
        with self.client.db.write() as tx:
            claims.claim(tx, "01JBENCHMARKBENCHMARKBENCH", 1)


class Enqueue(_AtHome):
    """One job through the API, durable when the call returns."""

    def time_enqueue(self) -> None:
        self.client.enqueue("noop")


class Running(_AtHome):
    """With a supervisor of four slots that has nothing else to do."""

    def setup(self, *_: object) -> None:
        super().setup()
        self.supervisor = Supervisor(self.home, "--max-workers", "4").start()

    def teardown(self, *_: object) -> None:
        self.supervisor.stop()
        super().teardown()

    def track_enqueue_to_first_line(self) -> float:
        """Median milliseconds from the call of enqueue to the first line of the handler."""
        return 1000 * median(self._seconds_to_first_line() for _ in range(50))

    track_enqueue_to_first_line.unit = "ms"  # pyright: ignore[reportFunctionMemberAccess]

    def _seconds_to_first_line(self) -> float:
        begun = time.monotonic_ns()
        job = self.client.enqueue("stamp")
        ended = self.client.wait(job.job_id, timeout=10)
        assert ended.result is not None, ended
        return (int(ended.result.split(":")[1].rstrip("}")) - begun) / 1e9

    def track_idle_cpu(self) -> float:
        """Per cent of one CPU that the supervisor and its spawner use while there is nothing to do."""
        self._seconds_to_first_line()  # once it has run a job, its spawner has finished starting
        before = self._seconds_on_cpu()
        time.sleep(IDLE_SECONDS)
        return 100 * (self._seconds_on_cpu() - before) / IDLE_SECONDS

    def _seconds_on_cpu(self) -> float:
        """From the scheduler: the usual counters are ticks of 10 ms, more than an idle second costs."""
        pids = (self.supervisor.pid, self.supervisor.spawner_pid)
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9

    track_idle_cpu.unit = "%"  # pyright: ignore[reportFunctionMemberAccess]

    def track_idle_memory(self) -> float:
        """Proportional set size of the supervisor and its spawner."""
        pids = (self.supervisor.pid, self.supervisor.spawner_pid)
        return sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / 1e6

    track_idle_memory.unit = "MB"  # pyright: ignore[reportFunctionMemberAccess]


class Drain(_AtHome):
    """A queue filled beforehand, worked off by four slots."""

    params = (400,)
    param_names = ("jobs",)

    def track_drain(self, jobs: int) -> float:
        """Jobs per second between the first claim and the last end."""
        self.fill(jobs)
        supervisor = Supervisor(self.home, "--max-workers", "4", "--drain").launch()
        try:
            eventually(lambda: supervisor.process.poll() is not None, 120, "the queue is drained")
        finally:
            supervisor.end()
        return jobs / self._seconds_worked(jobs)

    track_drain.unit = "jobs/s"  # pyright: ignore[reportFunctionMemberAccess]

    def _seconds_worked(self, jobs: int) -> float:
        ((count, first, last),) = self.home.sql(
            "SELECT count(*), min(claimed_at), max(finished_at) FROM async_jobs WHERE status = 'succeeded'"
        )
        assert count == jobs, f"{count} of {jobs} jobs succeeded"
        return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


class CommandStart(_AtHome):
    """A whole command, from the start of its process to its end."""

    params = ("--version", "job list", "job enqueue noop")
    param_names = ("command",)
    number, repeat = 1, 10

    def time_command(self, command: str) -> None:
        subprocess.run([AGENTS, *command.split()], env=self.home.environ, capture_output=True, check=True)
