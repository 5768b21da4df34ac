"""What many rows cost: a claim and an enqueue beside finished and queued ones, whole commands."""

from __future__ import annotations

import subprocess
import time
from statistics import median

from support.home import Home
from support.operator import AGENTS

from agentsd import Client
from agentsd.store import claims
from agentsd.store.jobs import NewJob, insert
from limits import bare
from limits.figure import Figure
from limits.rows import fill
from limits.surroundings import fresh_home

_COUNT = 40
"""Claims, or enqueues, of one round."""


def growth(rounds: int, rows: int, *, finished: bool) -> list[Figure]:
    """One claim and one enqueue in a store with *rows* other jobs, against those in an empty one."""
    ours: dict[str, list[float]] = {"claim": [], "enqueue": []}
    limit: dict[str, list[float]] = {"claim": [], "enqueue": []}
    with fresh_home() as empty, fresh_home() as full, empty.connect() as first, full.connect() as second:
        fill(second, rows, finished=finished)
        for number in range(rounds):
            spent: dict[str, list[list[float]]] = {"claim": [[], []], "enqueue": [[], []]}
            for turn in range(_COUNT):
                for at, client in enumerate((first, second)):
                    spent["claim"][at].append(_claim(client, number * _COUNT + turn))
                    spent["enqueue"][at].append(_enqueue(client))
            for name, (alone, beside) in spent.items():
                limit[name].append(median(alone))
                ours[name].append(median(beside))
    what = "finished" if finished else "queued"
    floors = {"claim": (1.2, 1.05), "enqueue": (None, None)}
    return [
        Figure(
            name=f"{name} beside {rows:,} {what} jobs",
            unit="ms",
            ours=ours[name],
            limit=limit[name],
            floor=floors[name][0],
            aim=floors[name][1],
        )
        for name in ours
    ]


def claims_beside_bare(rounds: int) -> Figure:
    """One claim, against the bare UPDATE of it, both ``synchronous=NORMAL``."""
    ours: list[float] = []
    limit: list[float] = []
    with fresh_home() as home, home.connect() as client:
        fill(client, 2 * _COUNT * rounds, finished=False)
        for number in range(rounds):
            limit.append(bare.claim_milliseconds(home, _COUNT))
            spent: list[float] = []
            for turn in range(_COUNT):
                begun = time.perf_counter()
                with client.db.write(durable=False) as tx:
                    assert len(claims.claim(tx, f"01J{number * _COUNT + turn:023d}", 1)) == 1
                spent.append(1000 * (time.perf_counter() - begun))
            ours.append(median(spent))
    return Figure(name="claim with its event, against a bare UPDATE", unit="ms", ours=ours, limit=limit)


def _claim(client: Client, number: int) -> float:
    """Milliseconds for one claim; a job of high priority is there for it."""
    with client.db.write() as tx:
        insert(tx, NewJob(phase="noop", priority=1))
    with client.db.write(durable=False) as tx:
        begun = time.perf_counter()
        claimed = claims.claim(tx, f"01J{number:023d}", 1)
        spent = time.perf_counter() - begun
        assert len(claimed) == 1
    return 1000 * spent


def _enqueue(client: Client) -> float:
    begun = time.perf_counter()
    client.enqueue("noop")
    return 1000 * (time.perf_counter() - begun)


def commands(rounds: int) -> list[Figure]:
    """Whole commands against the bare import of what they cannot do without."""
    names = {"agents job list": ("job", "list"), "agents job enqueue": ("job", "enqueue", "noop")}
    ours: dict[str, list[float]] = {name: [] for name in names}
    limit: list[float] = []
    with fresh_home() as home:
        _command(home, "job", "enqueue", "noop")
        for _ in range(rounds):
            limit.append(bare.import_milliseconds())
            for name, words in names.items():
                ours[name].append(_command(home, *words))
    return [
        Figure(name=f"{name}, the whole process", unit="ms", ours=spent, limit=limit, floor=1.5, aim=1.0)
        for name, spent in ours.items()
    ]


def commands_beside(rounds: int, rows: int) -> list[Figure]:
    """``job list`` and ``diagnostics`` in a store of *rows* finished jobs."""
    with fresh_home() as home:
        with home.connect() as client:
            fill(client, rows, finished=True)
        return [
            Figure(name=f"agents {' '.join(words)} beside {rows:,} jobs", unit="ms",
                   ours=[_command(home, *words) for _ in range(rounds)])
            for words in (("job", "list"), ("job", "list", "--status", "failed"), ("diagnostics",))
        ]  # fmt: skip


def _command(home: Home, *words: str) -> float:
    begun = time.perf_counter()
    subprocess.run([AGENTS, *words], env=home.environ, capture_output=True, check=False)
    return 1000 * (time.perf_counter() - begun)
