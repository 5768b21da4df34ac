"""What many rows cost: a claim beside finished and queued ones, a list, the diagnostics."""

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
from limits.surroundings import fresh_home

_FINISHED = """INSERT INTO async_jobs (job_id, plan_id, phase, status, payload_json, schema_version, created_at)
WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i < ?)
SELECT printf('OLD%023d', i), printf('OLD%023d', i), 'noop', 'queued', '{"schema_version":1,"phase":"noop","data":null}', 1,
'2026-01-31T09:00:00.000000Z' FROM n"""


def claims_beside(rows: int, *, finished: bool, count: int = 40) -> Figure:
    """One claim of one job in a store with *rows* others, against one in an empty store."""
    with fresh_home() as empty, fresh_home() as full, empty.connect() as first, full.connect() as second:
        _fill(second, rows, finished=finished)
        ours: list[float] = []
        limit: list[float] = []
        for number in range(count):
            limit.append(_claim(first, number))
            ours.append(_claim(second, number))
    what = "finished" if finished else "queued"
    return Figure(name=f"claim beside {rows:,} {what} jobs", unit="ms", ours=[median(ours)], limit=[median(limit)],
                  floor=1.2, aim=1.05)  # fmt: skip


def _fill(client: Client, rows: int, *, finished: bool) -> None:
    with client.db.write() as tx:
        tx.execute(_FINISHED, (1, rows))
    if finished:
        with client.db.write() as tx:
            tx.execute("UPDATE async_jobs SET status = 'running', worker_id = 'x', claimed_at = 'x'")
            tx.execute(
                "UPDATE async_jobs SET status = 'succeeded', reason = 'completed', finished_at = '2026-01-31T09:00:01.000000Z'"
            )
    client.db.read("PRAGMA wal_checkpoint(TRUNCATE)")


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


def commands_beside(rows: int) -> list[Figure]:
    """``job list`` and ``diagnostics`` in a store of *rows* finished jobs."""
    with fresh_home() as home:
        with home.connect() as client:
            _fill(client, rows, finished=True)
        return [
            Figure(name=f"agents {' '.join(words)} beside {rows:,} jobs", unit="ms",
                   ours=[_command(home, *words) for _ in range(3)])
            for words in (("job", "list"), ("diagnostics",))
        ]  # fmt: skip


def _command(home: Home, *words: str) -> float:
    begun = time.perf_counter()
    subprocess.run([AGENTS, *words], env=home.environ, capture_output=True, check=False)
    return 1000 * (time.perf_counter() - begun)
