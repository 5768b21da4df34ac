"""What another build of SQLite would change: ``python benchmarks/sqlite_builds.py`` (figures for the decision record).

Each build runs the store's own statements, in a process of its own, in turns with the others; those that are not installed are left
out. ``pip install apsw pysqlite3-binary`` installs the two that were weighed.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from agentsd.model import AsyncJobStatus, Reason
from agentsd.store import claims, jobs
from agentsd.store.claims import Ending
from agentsd.store.database import open_store
from agentsd.store.jobs import NewJob
from agentsd.store.paths import StateDir, state_dir
from agentsd.store.transaction import Actor, Transaction

BUILDS = {"sqlite3": "sqlite3", "pysqlite3": "pysqlite3.dbapi2", "apsw": "apsw"}
ROUNDS, JOBS = 5, 400


class ApswConnection:
    """The little of the standard library's interface that a transaction of the store uses, on apsw."""

    def __init__(self, path: str) -> None:
        self._connection: Any = importlib.import_module("apsw").Connection(path)

    @property
    def rowcount(self) -> int:
        """Rows that the last statement changed."""
        return self._connection.changes()

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Run one statement."""
        self._cursor = self._connection.execute(sql, parameters)
        return self

    def fetchall(self) -> list[Any]:
        """Its rows."""
        return self._cursor.fetchall()


def open_build(name: str, state: StateDir) -> Any:
    """A connection through the build *name*, with the pragmas of the store."""
    path = str(state.database)
    connection: Any = (
        ApswConnection(path)
        if name == "apsw"
        else importlib.import_module(BUILDS[name]).connect(path, isolation_level=None)
    )
    for pragma in ("journal_mode = wal", "synchronous = FULL", "foreign_keys = 1", "mmap_size = 0"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def timed(connection: Any, state: StateDir, work: Callable[[Transaction], Any]) -> tuple[float, Any]:
    """Microseconds of one durable transaction, and what it returned."""
    begin = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE").fetchall()
    found = work(Transaction(connection, Actor.current(), state))
    connection.execute("COMMIT").fetchall()
    return (time.perf_counter() - begin) * 1e6, found


def measure(name: str) -> dict[str, float]:
    """Medians of enqueue, claim and finish through one build, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        state = state_dir({"AGENTS_STATE_DIR": f"{folder}/state"})
        open_store(state).close()
        connection = open_build(name, state)
        cost: dict[str, list[float]] = {"enqueue": [], "claim": [], "finish": []}
        for number in range(JOBS):
            took, _ = timed(
                connection, state, lambda tx, n=number: jobs.insert(tx, NewJob(phase="noop", data=n))
            )
            cost["enqueue"].append(took)
        for _ in range(JOBS):
            took, found = timed(connection, state, lambda tx: claims.claim(tx, "W", 1))
            cost["claim"].append(took)
            end = Ending(
                job=found[0], status=AsyncJobStatus.SUCCEEDED, reason=Reason.COMPLETED, result="null"
            )
            took, _ = timed(connection, state, lambda tx, e=end: claims.finish(tx, e, "W"))
            cost["finish"].append(took)
    return {what: median(took) for what, took in cost.items()}


def import_time(module: str) -> float:
    """Milliseconds that importing *module* adds to an empty interpreter."""
    code = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1e3)"
    return float(
        subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True).stdout
    )


def main() -> None:
    """One build in this process, or all of them in turns."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
        return
    builds = [name for name in BUILDS if find_spec(name)]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in builds}
    for _ in range(ROUNDS):
        for name in builds:
            ran = subprocess.run((sys.executable, __file__, name), capture_output=True, text=True, check=True)
            found[name].append({**json.loads(ran.stdout), "import": import_time(BUILDS[name])})
    for name, rounds in found.items():
        print(name, _version(name), f"{_installed(name):.1f} MB", end=" ")
        print({what: round(min(each[what] for each in rounds), 1) for what in rounds[0]})


def _version(name: str) -> str:
    module: Any = importlib.import_module(BUILDS[name])
    return module.sqlite_lib_version() if name == "apsw" else module.sqlite_version


def _installed(name: str) -> float:
    origin = Path(importlib.import_module(name).__file__ or "").parent
    return sum(file.stat().st_size for file in origin.rglob("*.so")) / 1e6


if __name__ == "__main__":
    main()
