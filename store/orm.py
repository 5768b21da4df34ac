"""Peewee over the connection that is open: for migrations, and for queries whose shape depends on the caller.

Loading it takes a quarter of the time of a whole command, so only who needs it imports this module. It never opens a
connection of its own: it would take a newer pysqlite3 if there is one. With two copies of SQLite in one process each
close of one drops the locks of the other, which corrupts the file.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import peewee

_PeeweeSqlite: Any = peewee.SqliteDatabase  # its stubs do not know what one overrides


class _OverConnection(_PeeweeSqlite):
    given: sqlite3.Connection

    def _connect(self) -> sqlite3.Connection:
        self._add_conn_hooks(self.given)
        return self.given


def over(connection: sqlite3.Connection) -> Any:
    """A peewee database on *connection* (untyped: peewee has no annotations). Close the connection, not this."""
    database = _OverConnection("agents.db", lock_type="IMMEDIATE", autoconnect=False)
    database.given = connection
    database.connect()
    return database
