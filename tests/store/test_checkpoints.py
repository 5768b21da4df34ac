"""No commit and no checkpoint happens outside the writer mutex: that closes the WAL-reset race of SQLite up to 3.51.2."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.home import Home
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd.store import jobs
from agentsd.store.database import LOOKING_PATIENCE, Database, open_store

WRITER = """
import itertools
from agentsd import connect
from agentsd.errors import StoreBusyError
for number in itertools.count():
    with connect() as client:  # closing is a checkpoint, if it is the last
        for _ in range(5):
            client.enqueue("noop", payload="x" * 20_000)
"""
INDEX_HEADER = 48
"""Bytes of the shared index that say where the log begins and ends."""


@pytest.fixture
def busy(home: Home) -> Iterator[Database]:
    """A store to which three clients and a supervisor write all the time."""
    home.set("async.max_workers", 2)
    with open_store(home.state) as db:
        supervisor = Supervisor(home).start()
        writers = [
            subprocess.Popen((sys.executable, "-c", WRITER), env=home.environ, stderr=subprocess.PIPE)
            for _ in range(3)
        ]
        try:
            yield db
            assert [writer.poll() for writer in writers] == [None] * 3, "they went on to the end"
        finally:
            for writer in writers:
                writer.kill()
                writer.communicate()
            supervisor.kill()


def content(db: Database) -> list[bytes]:
    """Everything that a commit or a checkpoint would change."""
    index = Path(f"{db.state.database}-shm").read_bytes()[:INDEX_HEADER]
    return [db.state.database.read_bytes(), db.log.read_bytes(), index]


def test_whoever_holds_the_mutex_is_alone(busy: Database) -> None:
    """Held for a moment by somebody else, it keeps the database, the log and its index as they are."""
    for _ in range(5):
        known = sum(jobs.counts(busy).values())
        eventually(lambda known=known: sum(jobs.counts(busy).values()) > known + 20, 60, "they write")
        busy.mutex.acquire(20)
        try:
            until, before = time.monotonic() + LOOKING_PATIENCE / 4, content(busy)
            eventually(lambda until=until: time.monotonic() >= until, 20, "a moment")
            assert content(busy) == before
        finally:
            busy.mutex.release()
