"""A store that an older agentsd made is opened, with the fault in the middle of its migration."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from support.home import Home

from agentsd.store.database import open_store
from crash_matrix.stage import Stage

OLD = Path(__file__).parents[1] / "tests" / "store" / "stores" / "version_1.sql"
_SCHEMA = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
_JOBS = "SELECT job_id, status, reason, payload_json FROM async_jobs ORDER BY seq"


def migrate(stage: Stage) -> dict[str, set[str]]:
    """The command that meets the fault, then another one: the store is new, whole, and holds what it held."""
    stage.home.state.root.mkdir(exist_ok=True, mode=0o700)
    with contextlib.closing(sqlite3.connect(stage.home.state.database)) as connection:
        connection.executescript(OLD.read_text())
    before = stage.home.sql(_JOBS)
    stage.arm()
    command = stage.command("job", "list", at_fault=True)
    stage.strike()
    stage.outcome(command)
    stage.told.append(
        "the next command has finished the migration" if command.returncode else "the migration went on"
    )
    stage.must("job", "list")
    assert stage.home.sql(_JOBS) == before, "the jobs have changed"
    assert stage.home.sql(_SCHEMA) == _fresh_schema(), "the schema is not that of a fresh store"
    assert [("ok",)] == stage.home.sql("PRAGMA integrity_check")
    return {}


def _fresh_schema() -> list[tuple[str, str, str]]:
    home = Home()
    try:
        with open_store(home.state) as db:
            return db.read(_SCHEMA)
    finally:
        home.remove()
