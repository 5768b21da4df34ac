"""What becomes of the store's own troubles: a full disk, a damaged file, a reader or a writer that holds everything."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.home import Home
from support.operator import Operator
from support.patience import PATIENCE, eventually
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.errors import StoreError
from agentsd.model import AsyncJob, AsyncJobStatus, Reason
from agentsd.store import jobs
from agentsd.store.database import open_store
from agentsd.store.health import refuse_damaged
from agentsd.store.jobs import NewJob

Start = Callable[..., Supervisor]
Begin = Callable[..., AsyncJob]
SIZE = 12
"""MiB of the small disk."""


def mount(*words: str) -> None:
    """Mount something; a machine that does not let us has no such test."""
    done = subprocess.run(("mount", *words), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount {' '.join(words)}: {done.stderr.strip()}")


@pytest.fixture
def small_disk(home: Home) -> Iterator[Path]:
    """The state directory is a disk of its own, of a few MiB."""
    root = home.root / "state"
    root.mkdir(mode=0o700)
    mount("-t", "tmpfs", "-o", f"size={SIZE}m,mode=0700", "tmpfs", str(root))
    yield root
    subprocess.run(("umount", "--lazy", str(root)), check=True)


def fill(disk: Path) -> Path:
    """Write until nothing fits any more; returns the file to delete."""
    hog = disk / "hog"
    with hog.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return hog
    raise AssertionError("a disk that is never full")


# -- a full disk, a disk that is read-only ------------------------------------------------------------------


def test_a_full_disk_loses_no_result_and_stops_no_limit(
    small_disk: Path, home: Home, operator: Operator, start: Start
) -> None:
    """What ends meanwhile is written when there is room again; an enqueue is refused, not half done."""
    supervisor = start(cancel_grace="200 ms", log_limit="1 MiB")
    with home.connect() as client:
        gate = home.root / "gate"
        waiting = client.enqueue("gate", payload={"gate": str(gate)})
        hanging = client.enqueue("hang-native", timeout=2)
        eventually(lambda: all(client.get(job.job_id).pid for job in (waiting, hanging)), 20, "both run")
        pids = [client.get(job.job_id).pid or 0 for job in (waiting, hanging)]
        hog = fill(small_disk)

        refused = operator.run("job", "enqueue", "echo", "--payload", "-", stdin=f'"{"x" * 200_000}"')
        assert refused.exit_code == 1
        assert "full" in refused.stderr
        gate.touch()
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 20, "both ended in time")
        eventually(lambda: "store cannot be written" in supervisor.said, 20, "the worker says so")
        assert supervisor.process.poll() is None

        hog.unlink()
        ends = [client.wait(job.job_id, timeout=20 * PATIENCE) for job in (waiting, hanging)]
        assert [job.reason for job in ends] == [Reason.COMPLETED, Reason.TIMEOUT]
        assert ends[0].result == '"passed"'
        assert len(client.list()) == 2
        # The connection holds the disk; it is unmounted after this.
    supervisor.stop()


def test_a_store_that_does_not_fit_the_disk_is_said_and_made_later(
    small_disk: Path, home: Home, operator: Operator
) -> None:
    """The cause is named, not the rollback that failed; with room again the same command works."""
    hog = fill(small_disk)
    with hog.open("r+b") as file:
        file.truncate(hog.stat().st_size - 64 * 1024)  # some room, but not enough

    for words in (("job", "list"), ("worker", "start", "--drain"), ("diagnostics",)):
        said = operator.run(*words)
        assert said.exit_code == 1, str(said)
        assert "the disk is full" in said.stdout + said.stderr
    hog.unlink()
    assert operator.run("job", "enqueue", "noop").exit_code == 0


def test_a_disk_that_is_read_only_is_said(small_disk: Path, home: Home, operator: Operator) -> None:
    """By every command, with the place, and never as a traceback."""
    open_store(home.state).close()
    mount("-o", "remount,ro", str(small_disk))

    for words in (("job", "list"), ("job", "enqueue", "noop"), ("worker", "start", "--drain")):
        said = operator.run(*words)
        assert said.exit_code == 1, str(said)
        assert str(small_disk) in said.stderr
        assert "Traceback" not in said.stderr
    assert operator.run("diagnostics").exit_code == 1


# -- a damaged file -----------------------------------------------------------------------------------------


def damage(database: Path, where: int) -> None:
    """Turn the bits of some bytes, as a failing disk does."""
    data = bytearray(database.read_bytes())
    for offset in range(where, where + 64):
        data[offset] ^= 0xFF
    database.write_bytes(data)


@pytest.fixture
def filled(home: Home) -> Path:
    """A store with a thousand jobs, closed; returns the path of the database."""
    with open_store(home.state) as db, db.write() as tx:
        for _ in range(1000):
            jobs.insert(tx, NewJob(phase="noop"))
    return home.state.database


def test_a_damaged_header_is_refused(filled: Path, home: Home, operator: Operator) -> None:
    """It is named, nothing is made in its place, and the file is left as it is."""
    damage(filled, 0)
    before = filled.read_bytes()

    with pytest.raises(StoreError, match="not a database"):
        open_store(home.state)
    assert operator.run("worker", "start", "--drain").exit_code == 1
    assert filled.read_bytes() == before


@pytest.mark.parametrize("kind", ["table", "index"])
def test_a_damaged_page_is_found_before_any_job_runs(
    filled: Path, home: Home, operator: Operator, kind: str
) -> None:
    """A worker does not start on it, and diagnostics says what to do."""
    with closing(sqlite3.connect(filled)) as connection:
        name = {"table": "async_jobs", "index": "jobs_queued"}[kind]
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
        ((size,),) = connection.execute("PRAGMA page_size")
    damage(filled, (page - 1) * size)

    started = operator.run("worker", "start", "--drain")
    assert started.exit_code == 1, str(started)
    assert "damaged" in started.stderr
    looked = operator.run("diagnostics")
    assert looked.exit_code == 1
    assert "damaged" in looked.stdout


def test_a_large_store_is_not_read_through_at_a_start(filled: Path, home: Home) -> None:
    """Of it the small tables are looked at: a damaged job is found by whoever reads it, a damaged worker at once."""
    with closing(sqlite3.connect(filled)) as connection:
        pages = dict(connection.execute("SELECT name, rootpage FROM sqlite_master"))
        ((size,),) = connection.execute("PRAGMA page_size")
    damage(filled, (pages["jobs_queued"] - 1) * size)
    with open_store(home.state) as db:
        refuse_damaged(db, large=0)
        with pytest.raises(StoreError, match="is damaged"):
            refuse_damaged(db)
    damage(filled, (pages["workers"] - 1) * size)

    with open_store(home.state) as db, pytest.raises(StoreError, match="is damaged"):
        refuse_damaged(db, large=0)


# -- files that are not there any more ----------------------------------------------------------------------


@pytest.mark.parametrize("which", ["agents.db", "agents.db-wal", "agents.db-shm"])
def test_a_client_acknowledges_nothing_that_nobody_finds(home: Home, client: Client, which: str) -> None:
    """What it would write after a file was deleted goes to a ghost; who waits learns of it, too."""
    job = client.enqueue("noop")
    home.state.database.with_name(which).unlink()

    with pytest.raises(StoreError, match=f"{which} was moved, deleted or replaced"):
        client.enqueue("noop")
    with pytest.raises(StoreError, match="moved, deleted or replaced"):
        client.wait(job.job_id, timeout=20)


# -- others that hold the store -----------------------------------------------------------------------------


def test_a_held_mutex_stops_no_limit_and_loses_no_result(
    home: Home, client: Client, start: Start, begin: Begin
) -> None:
    """For longer than the TTL: nobody could write meanwhile, so nobody was silent."""
    supervisor = start(cancel_grace="200 ms", job_ttl="1 s")
    job = begin("hang-native", timeout=1)
    with (home.state.root / "agents.db.lock").open("ab") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        eventually(lambda: not Path(f"/proc/{job.pid}").exists(), 20, "the limit is enforced")
        beat = supervisor.row.beat
        eventually(_passed(2.5), 20, "two TTLs and more are over")
        assert supervisor.row.beat == beat

    assert client.wait(job.job_id, timeout=20 * PATIENCE).reason is Reason.TIMEOUT
    assert supervisor.process.poll() is None
    eventually(lambda: supervisor.row.beat > beat, 20, "it beats again")


def test_a_reader_that_does_not_let_go_stops_nothing(
    home: Home, client: Client, operator: Operator, start: Start
) -> None:
    """The log grows as long as it reads, and is folded in when it has gone."""
    start()
    with closing(sqlite3.connect(home.state.database)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM async_jobs").fetchone()
        for _ in range(50):
            client.enqueue("echo", payload="x" * 50_000)
        last = client.enqueue("noop")
        assert client.wait(last.job_id, timeout=60 * PATIENCE).status is AsyncJobStatus.SUCCEEDED
        held = client.db.log.stat().st_size
        assert held > 2_000_000
    client.enqueue("noop")
    busy, in_log, folded_in = client.db.read("PRAGMA wal_checkpoint(TRUNCATE)")[0]
    assert (busy, in_log - folded_in) == (0, 0)
    assert client.db.log.stat().st_size < held


_WRITER = """
import sys
from agentsd import connect
with connect() as client:
    for number in range(int(sys.argv[1])):
        client.enqueue("noop", payload=number)
"""


@pytest.mark.slow
def test_thirty_two_writers_and_two_workers_lose_nothing(home: Home, client: Client, start: Start) -> None:
    """Nobody sees a locked database, and each job runs once."""
    writers, each = 32, 8
    for _ in range(2):
        start(max_workers=4)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(each)], env=home.environ, stderr=subprocess.PIPE, text=True
        )
        for _ in range(writers)
    ]
    said = [process.communicate(timeout=100 * PATIENCE)[1] for process in running]

    assert [process.returncode for process in running] == [0] * writers, said
    eventually(lambda: jobs.counts(client.db)["succeeded"] == writers * each, 60, "all have run")
    claims = client.db.read(
        "SELECT count(*), count(DISTINCT job_id) FROM job_events WHERE to_status = 'running' AND from_status = 'queued'"
    )
    assert claims == [(writers * each, writers * each)]


def _passed(seconds: float) -> Callable[[], bool]:
    """Whether so much time is over: for what is to *not* happen in it."""
    until = os.times().elapsed + seconds
    return lambda: os.times().elapsed >= until
