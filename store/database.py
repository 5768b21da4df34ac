"""Opening the store, and the way to its transactions: pragmas, the writer mutex, the file's identity."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agentsd.errors import StoreBusyError, StoreError
from agentsd.faults import reach
from agentsd.store.advice import database_errors, explain, store_error
from agentsd.store.filesystem import refuse_network_filesystem
from agentsd.store.identity import OpenFiles
from agentsd.store.mutex import WriterMutex
from agentsd.store.paths import StateDir
from agentsd.store.transaction import Actor, Parameters, Transaction, Unit
from agentsd.store.upgrade import needs_upgrade, upgrade
from agentsd.store.writing import Writing, signals_held_back

MUTEX_PATIENCE = 10.0
"""Seconds that a command line waits for the writer mutex before it says who holds it."""

LOOKING_PATIENCE = 1.0
"""Seconds that opening and closing wait for it when they can do without."""

_PRAGMAS: dict[str, object] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL; beats and progress step down to NORMAL for their own transaction
    "foreign_keys": 1,
    "busy_timeout": 5000,
    "journal_size_limit": 64 * 1024 * 1024,
    "wal_autocheckpoint": 1000,
    "mmap_size": 0,  # the WAL-reset bug of SQLite <= 3.51.2 is worse with mapped files
}


class Database:
    """One process's connection to the store. Not for use across fork or threads."""

    def __init__(self, state: StateDir, actor: Actor | None = None) -> None:
        """Open, and bring to this code's schema. Raises StoreError (see ``open_store``)."""
        self.state = state
        self.actor = actor or Actor.current()
        self.mutex = WriterMutex(state.root / "agents.db.lock")
        self._peewee: Any = None
        try:
            self._open()
        except BaseException:
            self.mutex.close()
            raise

    def _open(self) -> None:
        reach("open.begin")
        refuse_network_filesystem(self.state.root)
        with signals_held_back():
            held = self._acquire_for_opening()
            try:
                self.connection = sqlite3.connect(self.state.database, isolation_level=None)
                try:
                    self._set_pragmas()
                    reach("open.connected")
                    if needs_upgrade(self.connection, self.state.database):
                        if not held:
                            self.mutex.acquire(MUTEX_PATIENCE)
                            held = True
                        upgrade(self.peewee)
                except BaseException:
                    self.connection.close()
                    raise
            finally:
                if held:
                    self.mutex.release()
        self.state.database.chmod(0o600)
        self.files = OpenFiles(self.state.database)

    @property
    def peewee(self) -> Any:
        """A peewee database on this connection (untyped: peewee has no annotations)."""
        if self._peewee is None:
            from agentsd.store.orm import over  # noqa: PLC0415 - hardly any command needs it

            self._peewee = over(self.connection)
        return self._peewee

    @property
    def log(self) -> Path:
        """The write-ahead log, which exists for as long as a connection is open."""
        return self.state.database.with_name(f"{self.state.database.name}-wal")

    def _acquire_for_opening(self) -> bool:
        """Take the mutex: switching a new file to WAL fails when two do it at once.

        A file that is a store already needs no switching, so a writer that is stopped must not keep
        anybody from looking: after a while it is opened without the mutex. Returns whether it is held.
        """
        try:
            is_new = self.state.database.stat().st_size == 0
        except FileNotFoundError:
            is_new = True
        try:
            self.mutex.acquire(MUTEX_PATIENCE if is_new else LOOKING_PATIENCE)
        except StoreBusyError:
            if is_new:
                raise
            return False
        return True

    def _set_pragmas(self) -> None:
        for name, wanted in _PRAGMAS.items():
            self.connection.execute(f"PRAGMA {name} = {wanted}")
        for name, wanted in _PRAGMAS.items():
            got = self.connection.execute(f"PRAGMA {name}").fetchone()
            if got is None or got[0] != wanted:
                raise StoreError(
                    f"{self.state.database}: PRAGMA {name} is {got and got[0]!r}, expected {wanted!r}."
                    " Is the file system read-only?"
                )

    def gone(self) -> Path | None:
        """The file of the store that was moved, deleted or replaced since it was opened; None if none was.

        What this connection writes from then on goes to a ghost. A log, or its index, that was deleted splits the
        store in two: who opens it now begins a new one, and neither sees what the other writes.
        """
        path = self.files.gone()
        return None if path is None else Path(path)

    def refuse_ghost(self) -> None:
        """Raise StoreError if what is open is not what others open: nothing is acknowledged that nobody finds."""
        if path := self.files.gone():
            raise StoreError(
                f"{path} was moved, deleted or replaced since it was opened. Open the store again."
            )

    def is_still_there(self) -> bool:
        """Whether what is open is what others open."""
        return self.gone() is None

    def read(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Run one reading statement outside a transaction and fetch all its rows. Raises StoreError."""
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise store_error(error, self.state.database) from error

    @contextlib.contextmanager
    def explained(self) -> Generator[None]:
        """Errors of SQLite become a StoreError that says what to do; a broken rule of the schema stays as it is."""
        try:
            yield
        except database_errors() as error:
            explain(error, self.state.database)
            raise

    def write(self, *, durable: bool = True) -> Writing:
        """A write transaction under the mutex; commits at the end, rolls back on an exception.

        *durable*: whether the commit reaches the disk before this returns (``synchronous=FULL``).
        INT, TERM and TSTP wait until it is over: a stopped or half-dead writer would block everyone.
        """
        return Writing(self, MUTEX_PATIENCE, durable=durable)

    @contextlib.contextmanager
    def try_write(self, *, durable: bool = True) -> Generator[Transaction | None]:
        """A write transaction if the mutex is free at once; yields None if another process holds it.

        Unlike :meth:`write` it holds no signals back, and SQLite's errors stay as they are: the supervisor's loop, its
        only caller, takes signals and errors itself.
        """
        if not self.mutex.try_acquire():
            yield None
            return
        try:
            with self.unit(durable=durable) as transaction:
                yield transaction
        finally:
            self.mutex.release()

    def unit(self, *, durable: bool) -> Unit:
        """A transaction, which is never begun on a ghost."""
        self.refuse_ghost()
        return Unit(self.connection, self.actor, self.state, durable=durable)

    def close(self) -> None:
        """Close the connection. The last closer checkpoints, so it does that under the mutex.

        If a stopped writer holds that, this is not the last closer, and closes without it.
        """
        with signals_held_back():
            with contextlib.suppress(StoreBusyError):
                self.mutex.acquire(LOOKING_PATIENCE)
            self.connection.close()
            self.mutex.close()  # and so released

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(state: StateDir, actor: Actor | None = None) -> Database:
    """Open the store of *state*, creating and upgrading it as needed.

    Raises StoreError for a file that is corrupt, foreign, read-only or on a network file system,
    StoreVersionError for one that a newer agentsd wrote, StoreBusyError when a writer is stopped.
    """
    try:
        return Database(state, actor)
    except database_errors() as error:
        raise store_error(error, state.database) from error
    except OSError as error:
        raise StoreError(f"{state.root}: {error.strerror}. Is it writable, and the disk not full?") from error
