"""What the steady supervisor holds: memory, descriptors, threads, zombies, files, and how soon a job begins."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import psutil
from support.home import Home
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.store.paths import runtime_dir

PROBES = 40


@dataclass(frozen=True)
class Sample:
    """One look. Sizes are MB, latency is milliseconds; both processes of the supervisor together."""

    rss: float
    pss: float
    descriptors: int
    threads: int
    zombies: int
    wal: float
    files: int
    """Locks, journals and sockets: all that is not the database, output or a sandbox."""
    latency: float
    """0 if it was not probed."""

    @classmethod
    def take(cls, home: Home, client: Client, supervisor: Supervisor, *, probe: bool = True) -> Sample:
        """Look at a supervisor; if it has nothing to do, after a few probes of its latency."""
        latency = median(_latency(client) for _ in range(PROBES)) if probe else 0.0
        both = [psutil.Process(pid) for pid in (supervisor.pid, supervisor.spawner_pid)]
        wal = home.state.database.with_name("agents.db-wal")
        return cls(
            rss=sum(process.memory_info().rss for process in both) / 1e6,
            pss=sum(process.memory_full_info().pss for process in both) / 1e6,
            descriptors=sum(process.num_fds() for process in both),
            threads=sum(process.num_threads() for process in both),
            zombies=sum(_zombies(process) for process in both),
            wal=wal.stat().st_size / 1e6 if wal.exists() else 0.0,
            files=_files(home),
            latency=latency,
        )


def _latency(client: Client) -> float:
    job = client.wait(client.enqueue("noop").job_id, timeout=60)
    begun = datetime.fromisoformat(job.started_at or job.finished_at or "")
    return (begun - datetime.fromisoformat(job.created_at)).total_seconds() * 1000


def _files(home: Home) -> int:
    state = home.state
    folders = (state.root, state.apply, state.locks, runtime_dir(home.environ))
    return sum(not entry.is_dir() for folder in folders if folder.exists() for entry in folder.iterdir())


def _zombies(process: psutil.Process) -> int:
    count = 0
    for child in process.children():
        with suppress(psutil.NoSuchProcess):
            count += child.status() == psutil.STATUS_ZOMBIE
    return count
