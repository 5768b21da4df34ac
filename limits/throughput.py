"""How many jobs go through, and how soon one begins."""

from __future__ import annotations

import time
from datetime import datetime

import orjson
from support.home import Home
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.store.jobs import NewJob, insert
from limits import bare
from limits.figure import Figure, percentile
from limits.surroundings import fresh_home, supervisor


def drain(rounds: int, jobs: int, *, slots: int, phase: str, milliseconds: float = 0) -> Figure:
    """Jobs a second between the first claim and the last end of a queue that was filled beforehand."""
    ours: list[float] = []
    limit: list[float] = []
    for _ in range(rounds):
        best = bare.forks_per_second(1500, slots)
        # A handler that only waits takes its time in every slot, whoever runs it.
        limit.append(1 / (1 / best + milliseconds / 1000 / slots) if milliseconds else best)
        with fresh_home() as home:
            ours.append(_drained(home, jobs, slots, phase, milliseconds))
    owed = {"floor": 0.45, "aim": 1.0} if slots == 4 and not milliseconds else {}
    work = f"{milliseconds:g} ms jobs" if milliseconds else "no-op jobs"
    return Figure(
        name=f"drain, {slots} slots, {work}", unit="jobs/s", ours=ours, limit=limit, higher=True, **owed
    )


def _drained(
    home: Home, jobs: int, slots: int, phase: str, milliseconds: float = 0, *, supervisors: int = 1
) -> float:
    data = {"seconds": milliseconds / 1000} if milliseconds else None
    with home.connect() as client, client.db.write() as tx:
        for _ in range(jobs):
            insert(tx, NewJob(phase=phase, data=data))
    home.set("async.preload", "agentsd_test_phases.lean")
    options = ("--max-workers", str(slots), "--drain", "--log-level", "error")
    workers = [Supervisor(home, *options).launch() for _ in range(supervisors)]
    try:
        for worker in workers:
            assert worker.process.wait(300) == 0, worker.said
    finally:
        for worker in workers:
            worker.end()
    ((count, first, last),) = home.sql(
        "SELECT count(*), min(claimed_at), max(finished_at) FROM async_jobs WHERE status = 'succeeded'"
    )
    assert count == jobs, f"{count} of {jobs} jobs succeeded"
    return jobs / (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


REST = 0.05
"""Seconds that a supervisor had nothing to do."""


def pickup(rounds: int, count: int) -> list[Figure]:
    """From the call of enqueue to the first line of the handler: one job right after the other, and after a rest."""
    busy: list[list[float]] = []
    rested: list[list[float]] = []
    forks: list[float] = []
    with (
        fresh_home() as home,
        supervisor(home, preload="agentsd_test_phases.lean"),
        home.connect() as client,
    ):
        for _ in range(rounds):
            forks.append(bare.fork_milliseconds())
            busy.append([_picked_up(client) for _ in range(count)])
            rested.append([_picked_up(client, after=REST) for _ in range(count // 4)])

    def share(spent: list[list[float]], part: float) -> list[float]:
        return [percentile(each, part) for each in spent]

    name = "enqueue to first line"
    idle = f"{name}, after {1000 * REST:g} ms of rest"
    return [
        Figure(name=f"{name}, p50", unit="ms", ours=share(busy, 0.5), limit=forks, floor=3.0, aim=2.0),
        Figure(name=f"{name}, p95", unit="ms", ours=share(busy, 0.95)),
        Figure(name=f"{name}, p99", unit="ms", ours=share(busy, 0.99), floor=25.0, aim=8.0),
        Figure(name=f"{idle}, p50", unit="ms", ours=share(rested, 0.5), limit=forks),
        Figure(name=f"{idle}, p99", unit="ms", ours=share(rested, 0.99), floor=25.0, aim=8.0),
    ]


def _picked_up(client: Client, *, after: float = 0.0) -> float:
    """Milliseconds from the call of enqueue to the first line of one job's handler."""
    time.sleep(after)  # the rest is a part of what is measured; nothing happens that could be waited for
    begun = time.monotonic_ns()
    ended = client.wait(client.enqueue("stamp").job_id, timeout=30)
    return (orjson.loads(ended.result or "")["monotonic_ns"] - begun) / 1e6


def two_supervisors(rounds: int, jobs: int) -> Figure:
    """A queue worked off by two supervisors of two slots, against one of four; every job ends once."""
    ours: list[float] = []
    limit: list[float] = []
    for _ in range(rounds):
        for found, slots, supervisors in ((limit, 4, 1), (ours, 2, 2)):
            with fresh_home() as home:
                found.append(_drained(home, jobs, slots, "noop", supervisors=supervisors))
    return Figure(
        name="drain by two supervisors of 2 slots, against one of 4",
        unit="jobs/s",
        ours=ours,
        limit=limit,
        higher=True,
    )


def enqueue(rounds: int, count: int) -> list[Figure]:
    """One job at a time through the API; and thousands in one transaction."""
    ours: list[float] = []
    limit: list[float] = []
    bulk: list[float] = []
    with fresh_home() as home, home.connect() as client:
        client.enqueue("noop")
        for _ in range(rounds):
            limit.append(bare.insert_milliseconds(home, count))
            spent: list[float] = []
            for _ in range(count):
                begun = time.perf_counter()
                client.enqueue("noop")
                spent.append(1000 * (time.perf_counter() - begun))
            ours.append(percentile(spent, 0.5))
            begun = time.perf_counter()
            with client.db.write() as tx:
                for _ in range(10 * count):
                    insert(tx, NewJob(phase="noop"))
            bulk.append(10 * count / (time.perf_counter() - begun))
    return [
        Figure(
            name="enqueue through the API, durable", unit="ms", ours=ours, limit=limit, floor=1.5, aim=1.2
        ),
        Figure(name="enqueue in bulk", unit="jobs/s", ours=bulk, higher=True),
    ]
