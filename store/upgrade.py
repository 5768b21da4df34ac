"""Brings a database file to this code's schema, or refuses it with a sentence that helps.

Runs under the writer mutex: four simultaneous openers without it failed 56 of 80 times.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from agentsd.errors import StoreError, StoreVersionError
from agentsd.faults import reach
from agentsd.store.schema import APPLICATION_ID, INDEXES, TRIGGERS, execute_all

MIGRATIONS = Path(__file__).with_name("migrations")
HISTORY_TABLE = "schema_migration"
LIVABLE = 2
"""Workers of code that knows at least this many migrations go on after an upgrade. The claim of older ones names an
index whose condition has changed since: they could neither claim nor write how their jobs ended."""


def latest_version() -> int:
    """How many migrations this code has; a store's ``user_version`` after all of them."""
    return len(_names())


def _names() -> list[str]:
    return sorted(path.stem for path in MIGRATIONS.glob("[0-9]*.py"))


def needs_upgrade(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether migrations are pending. Raises StoreError for a foreign file, StoreVersionError for a newer one."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id == APPLICATION_ID and version == latest_version():
        return False
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and application_id != APPLICATION_ID:
        raise StoreError(
            f"{path} is an SQLite database, but not agentsd's. Move it away, or set AGENTS_STATE_DIR."
        )
    if version > latest_version():
        applied = {name for (name,) in connection.execute(f"SELECT name FROM {HISTORY_TABLE}")}
        raise StoreVersionError(str(path), sorted(applied - set(_names())))
    return True


def upgrade(database: Any) -> None:
    """Run the pending migrations of a peewee *database*, then make indexes and triggers anew.

    Raises StoreError while a worker runs that could not go on, else what SQLite said first.
    """
    import peewee  # noqa: PLC0415 - only the first opener pays for the import

    _spare_old_workers(database)
    try:
        _upgrade(database)
    except peewee.DatabaseError as error:
        raise _first_of(error, (peewee.DatabaseError, sqlite3.DatabaseError)) from None


def _spare_old_workers(database: Any) -> None:
    """Raise StoreError if a worker runs here that cannot live with the store of today."""
    if not 0 < database.execute_sql("PRAGMA user_version").fetchone()[0] < LIVABLE:
        return
    for worker_id, boot, pid, start in database.execute_sql(
        "SELECT worker_id, boot_id, pid, pid_start FROM workers WHERE ended_at IS NULL"
    ).fetchall():
        if _read("/proc/sys/kernel/random/boot_id").strip() == boot and _started(pid) == start:
            raise StoreError(
                f"{_path(database)} is of an older agentsd, whose worker {worker_id} (pid {pid}) still runs and could not"
                f" go on after the upgrade. Stop it first: `kill {pid}` lets its jobs finish within its shutdown_grace,"
                " and queues again what does not."
            )


def _path(database: Any) -> str:
    return database.execute_sql("PRAGMA database_list").fetchone()[2]


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is none."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if fields else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _first_of(error: BaseException, of_database: tuple[type[Exception], ...]) -> BaseException:
    """The error that came first. A full disk makes SQLite roll back by itself, and peewee's own rollback fails then."""
    while isinstance(error.__context__, of_database):
        error = error.__context__
    return error


def _upgrade(database: Any) -> None:
    from playhouse.migrations import Runner  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs]

    reach("migrate.begin")
    with database.atomic():
        runner: Any = Runner(database, str(MIGRATIONS), table_name=HISTORY_TABLE)
        runner.up()
        for kind, name in database.execute_sql(
            "SELECT type, name FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
            f" AND tbl_name <> '{HISTORY_TABLE}'"
        ).fetchall():
            database.execute_sql(f'DROP {kind} "{name}"')
        execute_all(database, (*INDEXES, *TRIGGERS))
        database.execute_sql(f"PRAGMA user_version = {latest_version()}")
        reach("migrate.commit")
    reach("migrate.committed")
