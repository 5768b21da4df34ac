"""Opening and writing: pragmas, the mutex, transactions, and every file that is refused."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from support.home import Home
from support.patience import eventually

from agentsd.errors import StoreBusyError, StoreError, StoreVersionError
from agentsd.store import advice, database, filesystem, health, jobs
from agentsd.store.database import Database, open_store
from agentsd.store.jobs import NewJob
from agentsd.store.mutex import WriterMutex
from agentsd.store.transaction import Actor, Transaction

HOLD = """
import sys, time
from pathlib import Path
from types import FrameType
from agentsd.store.mutex import WriterMutex
mutex = WriterMutex(Path(sys.argv[1]))
assert mutex.try_acquire()
print("held", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("busy_timeout", 5000),
        ("mmap_size", 0),
    ],
)
def test_every_connection_has_the_pragmas(db: Database, pragma: str, value: object) -> None:
    """What durability and integrity rest on is set on each connection."""
    assert [(value,)] == db.read(f"PRAGMA {pragma}")


def test_a_pragma_that_did_not_take_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pragmas are read back: one that SQLite ignored silently is an error."""
    monkeypatch.setitem(database._PRAGMAS, "page_size", 12345)  # pyright: ignore[reportPrivateUsage]

    with pytest.raises(StoreError, match="PRAGMA page_size is 4096, expected 12345"):
        open_store(home.state)


def test_a_transaction_is_all_or_nothing(db: Database) -> None:
    """An exception inside undoes everything."""
    with pytest.raises(ZeroDivisionError), db.write() as tx:
        jobs.insert(tx, NewJob(phase="noop"))
        _ = 1 / 0

    assert jobs.counts(db)["queued"] == 0


def test_a_relaxed_transaction_leaves_durability_as_it_was(db: Database) -> None:
    """NORMAL is for one transaction only."""
    with db.write(durable=False) as tx:
        assert tx.execute("PRAGMA synchronous") == [(1,)]

    assert db.read("PRAGMA synchronous") == [(2,)]


def test_try_write_does_not_wait(home: Home, db: Database) -> None:
    """While another process holds the mutex, try_write says so at once."""
    holder = _hold(home)
    try:
        with db.try_write() as tx:
            assert tx is None
    finally:
        holder.kill()
        holder.communicate()
    with db.try_write() as tx:
        assert tx is not None


def test_a_writer_that_waits_too_long_names_the_holder(
    home: Home, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says which process holds the store up."""
    monkeypatch.setattr(database, "MUTEX_PATIENCE", 0.05)
    holder = _hold(home)
    try:
        with pytest.raises(StoreBusyError, match=f"process {holder.pid}"), db.write():
            pass
    finally:
        holder.kill()
        holder.communicate()


def test_a_stopped_writer_keeps_nobody_from_looking(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is there is opened, read and closed although another process holds the mutex."""
    monkeypatch.setattr(database, "LOOKING_PATIENCE", 0.05)
    monkeypatch.setattr(database, "MUTEX_PATIENCE", 0.1)
    open_store(home.state).close()
    holder = _hold(home)
    try:
        with open_store(home.state) as db:
            assert jobs.list_jobs(db) == []
        home.sql("PRAGMA user_version = 0")
        with pytest.raises(StoreBusyError):
            open_store(home.state)
        home.state.database.unlink()
        with pytest.raises(StoreBusyError):
            open_store(home.state)
    finally:
        holder.kill()
        holder.communicate()


def _hold(home: Home) -> subprocess.Popen[bytes]:
    path = home.state.root / "agents.db.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def test_the_mutex_dies_with_its_holder(home: Home) -> None:
    """The kernel releases it: it is never stale."""
    holder = _hold(home)
    holder.kill()
    holder.communicate()
    mutex = WriterMutex(home.state.root / "agents.db.lock")

    assert mutex.try_acquire()
    mutex.close()


def test_a_holder_without_proc_locks_is_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel does not tell, the message stays general; a lock nobody holds has no holder."""
    mutex, other = WriterMutex(tmp_path / "lock"), WriterMutex(tmp_path / "other")
    other.acquire(1)

    assert mutex.holder() == "another process"
    other.close()
    monkeypatch.setattr(Path, "read_text", _raise_oserror)
    assert mutex.holder() == "another process"
    mutex.close()


def _raise_oserror(*_args: object, **_kwargs: object) -> str:
    raise OSError


def test_signals_wait_until_a_transaction_is_over(db: Database) -> None:
    """A TERM inside a transaction is delivered after the commit, never in the middle."""
    seen: list[bool] = []

    def note(_number: int, _frame: FrameType | None) -> None:
        seen.append(db.connection.in_transaction)

    previous = signal.signal(signal.SIGTERM, note)
    try:
        with db.write() as tx:
            signal.raise_signal(signal.SIGTERM)  # to this thread: the runner may have others
            jobs.insert(tx, NewJob(phase="noop"))
            assert seen == []
    finally:
        signal.signal(signal.SIGTERM, previous)

    assert [False] == seen
    assert jobs.counts(db)["queued"] == 1


def _is_free(home: Home) -> bool:
    """Whether another opener can take the mutex, and no signal is held back here."""
    other = WriterMutex(home.state.root / "agents.db.lock")
    free = other.try_acquire()
    other.close()
    return free and signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def _fail_in_the_middle(tx: Transaction) -> None:
    tx.execute("SELECT 1 FROM nowhere")


def _break_a_rule(tx: Transaction) -> None:
    tx.execute("INSERT INTO job_events (job_id, at, actor, pid) VALUES ('nobody', '', '', 1)")


def _break_the_commit(tx: Transaction) -> None:
    tx.execute("PRAGMA defer_foreign_keys = ON")
    _break_a_rule(tx)


@pytest.mark.parametrize(
    ("fail", "error", "words"),
    [
        (_fail_in_the_middle, StoreError, "agents.db: no such table: nowhere"),
        (_break_a_rule, sqlite3.IntegrityError, "FOREIGN KEY"),
        (_break_the_commit, sqlite3.IntegrityError, "FOREIGN KEY"),
    ],
)
def test_a_transaction_that_fails_is_over(
    home: Home, db: Database, fail: Callable[[Transaction], None], error: type[Exception], words: str
) -> None:
    """Nothing of it is left, the mutex is free, and signals arrive again; SQLite's words are explained."""
    with pytest.raises(error, match=words), db.write() as tx:
        jobs.insert(tx, NewJob(phase="noop"))
        fail(tx)

    assert _is_free(home)
    assert jobs.counts(db)["queued"] == 0


def test_a_transaction_that_does_not_begin_is_over(
    home: Home, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether others hold the mutex, SQLite's own lock is taken, or the file is gone."""
    monkeypatch.setattr(database, "MUTEX_PATIENCE", 0.05)
    holder = _hold(home)
    try:
        with pytest.raises(StoreBusyError), db.write():
            pass
        assert holder.poll() is None
        with db.try_write() as tx:
            assert tx is None, "it is still the other's"
    finally:
        holder.kill()
        holder.communicate()
    assert _is_free(home)

    db.connection.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(home.state.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="database is locked"), db.write():
        pass
    other.close()
    assert _is_free(home)

    home.state.database.unlink()
    with pytest.raises(StoreError, match="deleted"), db.write():
        pass
    assert _is_free(home)


def test_a_store_of_a_newer_version_is_refused(home: Home) -> None:
    """The message names what this version does not know, and what to do."""
    open_store(home.state).close()
    home.sql("INSERT INTO schema_migration (name, applied) VALUES ('9999_later', '2030-01-01')")
    home.sql("PRAGMA user_version = 9999")

    with pytest.raises(StoreVersionError, match=r"newer agentsd \(it has 9999_later\)"):
        open_store(home.state)


def test_a_foreign_database_is_refused(home: Home) -> None:
    """Somebody else's SQLite file is left alone."""
    home.sql("CREATE TABLE theirs (a)")

    with pytest.raises(StoreError, match="not agentsd's"):
        open_store(home.state)
    assert home.sql("SELECT name FROM sqlite_master") == [("theirs",)]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"this is no database at all" * 400, "not a database"), (None, "damaged")],
)
def test_a_broken_file_is_refused(home: Home, content: bytes | None, words: str) -> None:
    """Garbage and flipped bytes are told apart, and neither is overwritten."""
    if content is None:
        open_store(home.state).close()
        whole = home.state.database.read_bytes()
        content = whole[:100] + b"\xff" * 200 + whole[300:]
    home.state.database.write_bytes(content)

    with pytest.raises(StoreError, match=words):
        open_store(home.state)
    assert home.state.database.read_bytes() == content


def test_a_directory_in_place_of_the_database_is_refused(home: Home) -> None:
    """What cannot be opened is named."""
    home.state.database.mkdir()

    with pytest.raises(StoreError, match="cannot be opened for writing"):
        open_store(home.state)


def test_a_lock_file_that_cannot_be_made_is_refused(home: Home) -> None:
    """The mutex's file is part of the store."""
    (home.state.root / "agents.db.lock").mkdir()

    with pytest.raises(StoreError, match="Is a directory"):
        open_store(home.state)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("database or disk is full", "the disk is full"),
        ("disk I/O error", "agents.db-wal was deleted while a worker runs"),
        ("database disk image is malformed", "the database is damaged"),
        ("attempt to write a readonly database", "cannot be opened for writing"),
        ("something else", "something else"),
    ],
)
def test_advice_fits_the_error(text: str, words: str) -> None:
    """A full disk is named as such; what is not known is passed on."""
    error = advice.store_error(sqlite3.OperationalError(text), Path("agents.db"))

    assert words in str(error)


def test_network_file_systems_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind of a real mount is read from the kernel; one that is on the list is refused."""
    kind = filesystem.filesystem_type(tmp_path)
    assert kind is not None
    filesystem.refuse_network_filesystem(tmp_path)
    monkeypatch.setattr(filesystem, "_NETWORK", frozenset({kind}))

    with pytest.raises(StoreError, match=f"network file system \\({kind}\\)"):
        filesystem.refuse_network_filesystem(tmp_path)


def test_an_unknown_file_system_is_let_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel does not tell, nothing is refused."""
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", _raise_oserror)
        assert filesystem.filesystem_type(tmp_path) is None
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", _other_mounts)
        assert filesystem.filesystem_type(tmp_path) is None


def _other_mounts(_path: Path) -> str:
    return "1 1 0:0 / / rw - nothing none rw"


def test_an_actor_without_a_passwd_entry_is_its_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers run under uids that have no name."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)

    assert Actor.current().by.startswith("4000000@")


def test_many_openers_at_once_all_succeed(home: Home) -> None:
    """32 processes that create and open one new store at the same time: no error, one schema."""
    code = "from agentsd.store.database import open_store; from agentsd.store.paths import state_dir; open_store(state_dir()).close()"
    openers = [
        subprocess.Popen([sys.executable, "-c", code], env=home.environ, stderr=subprocess.PIPE)
        for _ in range(16)
    ]

    assert [b""] * 16 == [opener.communicate()[1] for opener in openers]


def test_a_waiting_writer_goes_on_when_the_mutex_is_free(home: Home, db: Database) -> None:
    """A write waits for the holder and then goes through."""
    holder = _hold(home)
    done: list[bool] = []

    def end_holder() -> None:
        eventually(lambda: True, 1, "never")
        holder.kill()
        holder.communicate()
        done.append(True)

    thread = threading.Timer(0.05, end_holder)
    thread.start()
    with db.write() as tx:
        jobs.insert(tx, NewJob(phase="noop"))
    thread.join()
    assert done


_ANOTHER_SQLITE = """
from sqlite3.dbapi2 import *
sqlite_version_info = (99, 0, 0)
def connect(*arguments, **options):
    raise AssertionError("another SQLite was opened")
"""


def test_no_other_sqlite_is_used(home: Home, tmp_path: Path) -> None:
    """Not even a newer one that is installed beside: its errors, and its locks, would be strangers to ours."""
    package = tmp_path / "pysqlite3"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "dbapi2.py").write_text(_ANOTHER_SQLITE)
    code = "import agentsd\nwith agentsd.connect() as client: print(client.enqueue('noop', payload=1).status)"
    ended = subprocess.run(
        (sys.executable, "-c", code),
        env={**home.environ, "PYTHONPATH": f"{tmp_path}:{home.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (0, "queued\n"), ended.stderr


def test_a_look_that_takes_too_long_refuses_nothing(db: Database) -> None:
    """A large store, or a slow disk, is no damaged one."""
    with db.write() as tx:
        for _ in range(500):
            jobs.insert(tx, NewJob(phase="noop"))
    health.refuse_damaged(db, limit=-1.0)

    assert len(jobs.list_jobs(db, limit=1000)) == 500, "the connection is as it was"
