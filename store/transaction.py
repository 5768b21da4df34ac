"""A write transaction: what it is to those who write in it, and its way from BEGIN to its end."""

from __future__ import annotations

import os
import pwd
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from agentsd.clock import utc_now
from agentsd.store.paths import StateDir

Parameters = Sequence[object] | Mapping[str, object]
"""Values for the ``?`` or the ``:name`` placeholders of a statement."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes: user@host, the process, and the supervisor that it is, if it is one."""

    by: str
    pid: int
    worker_id: str | None = None

    @classmethod
    def current(cls, worker_id: str | None = None) -> Actor:
        """This process."""
        uid = os.getuid()
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:  # a container's uid without a passwd entry
            user = str(uid)
        return cls(f"{user}@{os.uname().nodename}", os.getpid(), worker_id)


class Transaction:
    """An open write transaction: what every writing function of the store takes.

    ``now`` is one time for all that happens in it; ``actor`` is who its events name.
    """

    __slots__ = ("actor", "connection", "now", "state")

    def __init__(self, connection: sqlite3.Connection, actor: Actor, state: StateDir) -> None:
        self.connection, self.actor, self.state = connection, actor, state
        self.now = utc_now()

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Run one statement and fetch all its rows; an unfinished cursor would pin the WAL."""
        return self.connection.execute(sql, parameters).fetchall()

    def change(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement and return how many rows it changed."""
        return self.connection.execute(sql, parameters).rowcount


class Unit:
    """From BEGIN to COMMIT, or to ROLLBACK after an exception. A class, as it is faster than a generator."""

    __slots__ = ("_actor", "_connection", "_durable", "_state")

    def __init__(
        self, connection: sqlite3.Connection, actor: Actor, state: StateDir, *, durable: bool
    ) -> None:
        self._connection, self._actor, self._state, self._durable = connection, actor, state, durable

    def __enter__(self) -> Transaction:
        connection = self._connection
        if not self._durable:
            connection.execute("PRAGMA synchronous = NORMAL")
        try:
            connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._restore()
            raise
        return Transaction(connection, self._actor, self._state)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        finally:
            # After a COMMIT there is nothing left. A full disk makes SQLite roll back by itself; a second ROLLBACK
            # would hide the cause.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._restore()

    def _restore(self) -> None:
        if not self._durable:
            self._connection.execute("PRAGMA synchronous = FULL")
