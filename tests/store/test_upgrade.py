"""A store that an older agentsd made, as it dumped it, under the code of today."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from support.home import Home

from agentsd.errors import StoreError
from agentsd.model import AsyncJobStatus
from agentsd.store import claims, events, jobs, metrics, plans
from agentsd.store.database import open_store
from agentsd.store.upgrade import latest_version
from agentsd.workers.identity import Identity

STORES = sorted(Path(__file__).with_name("stores").glob("version_*.sql"))


@pytest.fixture(params=STORES, ids=lambda path: path.stem)
def old(request: pytest.FixtureRequest, home: Home) -> Home:
    """A home whose store is one of the old ones, with jobs in every state, a plan, a worker."""
    home.state.root.mkdir(exist_ok=True)
    with sqlite3.connect(home.state.database) as connection:
        connection.executescript(request.param.read_text())
    connection.close()
    return home


def test_an_old_store_gets_the_schema_of_a_fresh_one(old: Home, tmp_path: Path) -> None:
    """Tables, indexes and triggers, to the letter."""
    fresh = Home()
    try:
        with open_store(fresh.state) as db:
            wanted = db.read("SELECT type, name, sql FROM sqlite_master ORDER BY name")
    finally:
        fresh.remove()

    with open_store(old.state) as db:
        assert db.read("SELECT type, name, sql FROM sqlite_master ORDER BY name") == wanted
        assert db.read("PRAGMA user_version") == [(latest_version(),)]
        assert db.read("PRAGMA integrity_check") == [("ok",)]


def test_a_worker_that_could_not_go_on_keeps_a_store_from_being_upgraded(old: Home) -> None:
    """One of the first version: its claim would fail, and with it every write. It is named, and nothing is changed."""
    (version,) = old.sql("PRAGMA user_version")[0]
    here = Identity.current()
    with sqlite3.connect(old.state.database) as connection:
        connection.execute(
            "UPDATE workers SET state = 'running', ended_at = NULL, end_reason = NULL, boot_id = ?, pid = ?, pid_start = ?",
            (here.boot_id, here.pid, here.start),
        )
    connection.close()
    if version == 1:
        with pytest.raises(StoreError, match=f"^{old.state.database} .* `kill {here.pid}` lets"):
            open_store(old.state)
        assert old.sql("PRAGMA user_version") == [(1,)]
        with sqlite3.connect(old.state.database) as connection:
            connection.execute(
                "UPDATE workers SET pid_start = pid_start + 1"
            )  # it ended; its pid is another's
        connection.close()
    open_store(old.state).close()
    assert old.sql("PRAGMA user_version") == [(latest_version(),)]


def test_an_old_store_keeps_what_is_in_it(old: Home) -> None:
    """Jobs, their events and plans; and the queue goes on where it stood."""
    before = old.sql("SELECT job_id, status, created_at, payload_json FROM async_jobs ORDER BY seq")
    with open_store(old.state) as db:
        assert (
            db.read("SELECT job_id, status, created_at, payload_json FROM async_jobs ORDER BY seq") == before
        )
        assert all(events.for_job(db, row[0]) for row in before)
        assert [plan.name for plan in plans.list_plans(db)] == ["demo"]
        queued = jobs.list_jobs(db, statuses=[AsyncJobStatus.QUEUED])
        ready = {job.job_id for job in queued if job.held_at is None and job.waits_for is None}
        with db.write() as tx:
            claimed = claims.claim(tx, "01J00000000000000000000NEW", 10)
        assert {job.job_id for job in claimed} == ready


def test_the_totals_of_an_old_store_begin_with_what_is_in_it(old: Home) -> None:
    """As if they had been there from the beginning, and each job counts once."""
    rows = old.sql(
        "SELECT phase, status, reason, count(*) FROM async_jobs WHERE finished_at IS NOT NULL GROUP BY 1, 2, 3"
    )
    began = old.sql("SELECT phase, count(*) FROM async_jobs WHERE started_at <= finished_at GROUP BY 1")
    for _ in range(2):
        with open_store(old.state) as db:
            assert metrics.finished(db) == rows
            assert {phase: each.within[-1] for phase, each in metrics.spans(db, "run").items()} == dict(began)
