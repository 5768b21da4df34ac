"""What a supervisor costs that has nothing to do, and what ten thousand jobs leave behind in it."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
from support.patience import eventually
from support.supervisor import STANDBYS

from agentsd.store.jobs import NewJob, insert
from agentsd.workers.title import standing_by
from limits.figure import Figure
from limits.surroundings import fresh_home, supervisor


def idle(rounds: int, seconds: float) -> list[Figure]:
    """CPU, wake-ups and memory of a supervisor, its spawner and what stands by, after one job; *rounds* of *seconds*."""
    cpu: list[float] = []
    wakes: list[float] = []
    pss: list[float] = []
    # The store is there: whoever makes it loads what only that needs.
    with fresh_home() as home, home.connect() as client, supervisor(home) as running:
        client.wait(client.enqueue("noop").job_id, timeout=30)
        time.sleep(2)  # until the last timer of that job is over
        pids = [running.pid, running.spawner_pid, *standing_by(running.spawner_pid)]
        for _ in range(rounds):
            before = [_spent(pid) for pid in pids]
            time.sleep(seconds)  # what is measured is that nothing happens meanwhile
            spent = [
                (late[0] - early[0], late[1] - early[1])
                for early, late in zip(before, map(_spent, pids), strict=True)
            ]
            cpu.append(100 * sum(each[0] for each in spent) / seconds)
            wakes.append(sum(each[1] for each in spent) / seconds)
            pss.append(sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / 1e6)
    return [
        Figure(name="idle: CPU", unit="%", ours=cpu, floor=0.3, aim=0.05),
        Figure(name="idle: wake-ups", unit="/s", ours=wakes, floor=3.0, aim=1.0),
        Figure(name="idle: PSS", unit="MB", ours=pss, floor=38.0, aim=28.0),
    ]


def _spent(pid: int) -> tuple[float, int]:
    """Seconds on a CPU and voluntary context switches. The scheduler's own count: a tick is 10 ms."""
    nanoseconds = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    status = Path(f"/proc/{pid}/status").read_text()
    switches = int(status.split("voluntary_ctxt_switches:")[1].split()[0])
    return nanoseconds / 1e9, switches


def growth(jobs: int) -> list[Figure]:
    """Memory and descriptors of both processes after *jobs* jobs, against those after a tenth as many more.

    By then every slot has been used, and has its descriptors.
    """
    with (
        fresh_home() as home,
        supervisor(home, preload="agentsd_test_phases.lean") as running,
        home.connect() as client,
    ):
        pids = (running.pid, running.spawner_pid)

        def run(count: int) -> None:
            with client.db.write() as tx:
                last = [insert(tx, NewJob(phase="noop")) for _ in range(count)][-1]
            client.enqueue("noop")
            client.wait(last.job_id, timeout=600)
            eventually(lambda: len(standing_by(running.spawner_pid)) == STANDBYS, 10, "all stand by again")

        # At once, while others stand by: that takes every slot.
        full = [client.enqueue("sleep", payload={"seconds": 0.3}) for _ in range(4)]
        for job in full:
            client.wait(job.job_id, timeout=60)
        run(max(jobs // 10, 100))
        early = [_held(pid) for pid in pids]
        run(jobs)
        late = [_held(pid) for pid in pids]
    memory = [end[0] - begin[0] for begin, end in zip(early, late, strict=True)]
    descriptors = [end[1] - begin[1] for begin, end in zip(early, late, strict=True)]
    return [
        Figure(
            name=f"{jobs:,} jobs later: RSS, both processes",
            unit="MB more",
            ours=[sum(memory) / 1e6],
            floor=2.0,
        ),
        Figure(name=f"{jobs:,} jobs later: descriptors", unit="more", ours=[sum(descriptors)], floor=0.0),
    ]


def _held(pid: int) -> tuple[int, int]:
    process = psutil.Process(pid)
    return process.memory_info().rss, process.num_fds()
