"""What SQLite's errors mean here, and what to do about them."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from agentsd.errors import StoreError


def database_errors() -> tuple[type[Exception], ...]:
    """SQLite's errors, and peewee's where it was needed."""
    loaded = sys.modules.get("peewee")
    return (sqlite3.DatabaseError, loaded.DatabaseError) if loaded else (sqlite3.DatabaseError,)


def store_error(error: BaseException, path: Path) -> StoreError:
    """The error to raise instead of SQLite's *error* about the database at *path*."""
    return StoreError(f"{path}: {_advice(str(error), path)}")


def explain(error: BaseException, path: Path) -> None:
    """Raise what to do about *error* if it is SQLite's. A broken rule of the schema stays as it is."""
    if (
        isinstance(error, database_errors()) and type(error).__name__ != "IntegrityError"
    ):  # SQLite's or peewee's
        raise store_error(error, path) from error


def _advice(text: str, path: Path) -> str:
    if "not a database" in text:
        return "this file is not a database. Move it away, or set AGENTS_STATE_DIR."
    if "malformed" in text:
        return "the database is damaged. Restore a backup, or move it away; do not delete it, it can be salvaged."
    if "unable to open" in text or "readonly" in text:
        return f"it cannot be opened for writing ({text}). Check the owner and mode of {path.parent}."
    if "disk I/O" in text:
        return (
            f"the disk cannot be read or written, or {path.name}-wal was deleted while a worker runs. Stop the"
            " workers and try again."
        )
    if "full" in text:
        return "the disk is full. Free some space and try again; nothing was changed."
    return text
