"""The limits: what the machine does when nothing is kept, claimed, watched or swept."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from statistics import median

from support.home import Home

from limits.surroundings import plain_environment

_FORKS = """
import os, sys, time
import orjson, peewee
count, flight = int(sys.argv[1]), int(sys.argv[2])
begun, live = time.perf_counter(), 0
for _ in range(count):
    if os.fork() == 0:
        os._exit(0)
    live += 1
    if live == flight:
        os.wait()
        live -= 1
while live:
    os.wait()
    live -= 1
print(count / (time.perf_counter() - begun))
"""


def forks_per_second(count: int, flight: int) -> float:
    """fork, ``_exit`` and wait from a process that has peewee and orjson imported, *flight* at once."""
    command = [sys.executable, "-c", _FORKS, str(count), str(flight)]
    done = subprocess.run(command, env=plain_environment(), capture_output=True, text=True, check=True)
    return float(done.stdout)


def fork_milliseconds(count: int = 300) -> float:
    """One such fork at a time."""
    return 1000 / forks_per_second(count, 1)


def insert_milliseconds(home: Home, count: int) -> float:
    """The median of *count* inserts of a job's row by plain sqlite3, each durable before the next."""
    connection = sqlite3.connect(home.state.database, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    spent: list[float] = []
    for number in range(count):
        job_id = f"BARE{time.monotonic_ns():022d}"
        begun = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO async_jobs (job_id, plan_id, phase, status, payload_json, schema_version, created_at)"
            " VALUES (?, ?, 'noop', 'queued', ?, 1, ?)",
            (
                job_id,
                job_id,
                '{"schema_version":1,"phase":"noop","data":null}',
                f"2026-01-31T09:00:00.{number:06d}Z",
            ),
        )
        connection.execute("COMMIT")
        spent.append(1000 * (time.perf_counter() - begun))
    connection.close()
    return median(spent)


def claim_milliseconds(home: Home, count: int) -> float:
    """The median of *count* claims of one queued row by plain sqlite3, each committed with ``synchronous=NORMAL``."""
    connection = sqlite3.connect(home.state.database, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    spent: list[float] = []
    for _ in range(count):
        begun = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(
            "UPDATE async_jobs SET status = 'running', worker_id = 'bare', claimed_at = 'now' WHERE seq IN"
            " (SELECT seq FROM async_jobs INDEXED BY jobs_queued WHERE status = 'queued' AND held_at IS NULL"
            " AND waits_for IS NULL ORDER BY priority DESC, seq LIMIT 1) RETURNING job_id"
        ).fetchall()
        connection.execute("COMMIT")
        spent.append(1000 * (time.perf_counter() - begun))
        assert len(rows) == 1
    connection.close()
    return median(spent)


def import_milliseconds() -> float:
    """``python -c "import click, peewee"``, the whole process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import click, peewee"], env=plain_environment(), check=True)
    return 1000 * (time.perf_counter() - begun)
