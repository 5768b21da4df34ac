"""The database's own rules: not even ``sqlite3`` on the command line can write an illegal row."""

from __future__ import annotations

import sqlite3
from dataclasses import fields
from importlib import import_module
from itertools import product
from typing import Any

import pytest
from peewee import Model, SqliteDatabase
from support.home import Home

from agentsd.model import REASONS, VALID_TRANSITIONS, AsyncJob, AsyncJobStatus, PlanRow, Worker
from agentsd.store import jobs, tables
from agentsd.store.database import Database, open_store
from agentsd.store.jobs import NewJob

NOW = "2026-01-31T09:00:00.123456Z"


def put_in_state(db: Database, status: AsyncJobStatus) -> str:
    """A job that has come to *status* by legal moves."""
    job_id = jobs.enqueue(db, NewJob(phase="noop")).job_id
    if status is not AsyncJobStatus.QUEUED:
        move(db, job_id, AsyncJobStatus.RUNNING)
    if status.is_terminal:
        move(db, job_id, status)
    return job_id


def move(db: Database, job_id: str, status: AsyncJobStatus) -> None:
    """Write *status* with everything that it needs, by plain SQL."""
    reason = min(REASONS[status]) if status in REASONS else None
    owned = status is not AsyncJobStatus.QUEUED
    db.connection.execute(
        "UPDATE async_jobs SET status = ?, reason = ?, finished_at = ?,"
        " worker_id = coalesce(worker_id, ?), claimed_at = coalesce(claimed_at, ?) WHERE job_id = ?",
        (status, reason, NOW if reason else None, "W" if owned else None, NOW if owned else None, job_id),
    )


@pytest.mark.parametrize(("old", "new"), list(product(AsyncJobStatus, AsyncJobStatus)))
def test_the_database_has_exactly_the_moves_of_the_table(
    db: Database, old: AsyncJobStatus, new: AsyncJobStatus
) -> None:
    """A move that VALID_TRANSITIONS lacks is refused by the trigger, every other one goes through."""
    job_id = put_in_state(db, old)

    if new in VALID_TRANSITIONS[old] or (old is new and not old.is_terminal):
        move(db, job_id, new)

        assert new == jobs.get(db, job_id).status
    else:
        with pytest.raises(sqlite3.IntegrityError, match="no such move"):
            move(db, job_id, new)


@pytest.mark.parametrize("phases", [("execute", "execute"), ("execute", "apply")])
def test_a_plan_cannot_have_two_active_jobs(db: Database, phases: tuple[str, str]) -> None:
    """Not even by hand: two executions or applies of one plan would write over each other."""
    one, other = phases
    jobs.enqueue(db, NewJob(phase=one, plan_id="P"))
    jobs.enqueue(db, NewJob(phase="noop", plan_id="P"))

    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        jobs.enqueue(db, NewJob(phase=other, plan_id="P"))


@pytest.mark.parametrize("status", [status for status in AsyncJobStatus if status != "queued"])
def test_a_job_is_born_queued_only(db: Database, status: AsyncJobStatus) -> None:
    """No row comes to the world running or ended."""
    with pytest.raises(sqlite3.IntegrityError, match="inserted as queued only"):
        db.connection.execute(
            "INSERT INTO async_jobs (job_id, plan_id, phase, status, payload_json, schema_version, created_at)"
            " VALUES ('A', 'A', 'noop', ?, '{}', 1, ?)",
            (status, NOW),
        )


@pytest.mark.parametrize(
    "change",
    ["job_id = 'B'", "plan_id = 'B'", "phase = 'B'", "payload_json = 'B'", "attempt = 9", "worker_id = 'B'"],
)
def test_what_a_job_is_never_changes(db: Database, change: str) -> None:
    """Identity, payload and owner of a running job are fixed."""
    job_id = put_in_state(db, AsyncJobStatus.RUNNING)

    with pytest.raises(sqlite3.IntegrityError, match="never changes"):
        db.connection.execute(f"UPDATE async_jobs SET {change} WHERE job_id = ?", (job_id,))


@pytest.mark.parametrize("status", ["queued", "running"])
def test_only_what_has_ended_can_be_deleted(db: Database, status: str) -> None:
    """A job that is still to run, or runs, cannot be deleted."""
    job_id = put_in_state(db, AsyncJobStatus(status))

    with pytest.raises(sqlite3.IntegrityError, match="only when it has ended"):
        db.connection.execute("DELETE FROM async_jobs WHERE job_id = ?", (job_id,))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("status = 'succeeded', reason = 'completed'", "terminal_has_end"),
        ("status = 'succeeded', finished_at = 'now'", "terminal_has_reason"),
        ("status = 'succeeded', finished_at = 'now', reason = 'timeout'", "reason_fits_status"),
        ("status = 'failed', finished_at = 'now', reason = 'because'", "reason_fits_status"),
    ],
)
def test_an_end_says_when_and_why(db: Database, change: str, rule: str) -> None:
    """A terminal row has an end and a reason that fits its state."""
    job_id = put_in_state(db, AsyncJobStatus.RUNNING)

    with pytest.raises(sqlite3.IntegrityError, match=rule):
        db.connection.execute(f"UPDATE async_jobs SET {change} WHERE job_id = ?", (job_id,))


def test_events_go_with_their_job(db: Database) -> None:
    """Deleting a job deletes its history."""
    job_id = put_in_state(db, AsyncJobStatus.FAILED)

    db.connection.execute("DELETE FROM async_jobs WHERE job_id = ?", (job_id,))

    assert db.read("SELECT count(*) FROM job_events") == [(0,)]


@pytest.mark.parametrize("table", [tables.AsyncJobs, tables.Workers, tables.Plans, tables.JobEvents])
def test_the_peewee_models_are_the_real_schema(db: Database, table: type[Model]) -> None:
    """Same columns, same order, same nullability as the migrations made."""
    name = table._meta.table_name  # pyright: ignore
    real = [(row[1], not row[3] and not row[5]) for row in db.read(f"PRAGMA table_info({name})")]

    assert real == [(field.column_name, field.null) for field in table._meta.sorted_fields]  # pyright: ignore


@pytest.mark.parametrize(
    ("kind", "table"), [(AsyncJob, "async_jobs"), (Worker, "workers"), (PlanRow, "plans")]
)
def test_the_domain_objects_have_every_column(db: Database, kind: type, table: str) -> None:
    """A domain object has the columns of its table (``seq``, the order of arrival, aside)."""
    columns = {row[1] for row in db.read(f"PRAGMA table_info({table})")}

    assert columns - {"seq"} == {field.name for field in fields(kind)}


def test_making_indexes_and_triggers_anew_changes_nothing(home: Home) -> None:
    """A store that is upgraded has the very schema of a fresh one."""
    with open_store(home.state) as db:
        fresh = db.read("SELECT type, name, sql FROM sqlite_master ORDER BY name")
        db.connection.execute("PRAGMA user_version = 0")  # as if a migration were pending
    with open_store(home.state) as db:
        upgraded = db.read("SELECT type, name, sql FROM sqlite_master ORDER BY name")

    assert fresh == upgraded


def test_the_first_migration_makes_the_tables(home: Home) -> None:
    """Run by itself, as the runner does, on an empty file."""
    database = SqliteDatabase(str(home.state.root / "empty.db"))
    first: Any = import_module("agentsd.store.migrations.0001_initial")
    first.up(None, database)

    assert {"plans", "async_jobs", "workers", "job_events"} <= set(database.get_tables())
    database.close()
