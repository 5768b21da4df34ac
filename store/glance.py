"""A quick look at ids, for a shell that completes a word: reads only, makes nothing, and never fails.

The database is opened without the writer mutex, without an upgrade and without peewee: somebody waits for a key press.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

MOST = 30
"""Ids that are offered at once: more than anybody reads."""
_QUERIES = {
    "job": (
        "SELECT job_id, phase || ', ' || status, created_at FROM async_jobs WHERE {where} ORDER BY seq DESC LIMIT ?",
        "job_id",
        "status",
    ),
    "plan": (
        "SELECT plan_id, name || ', ' || state, created_at FROM plans WHERE {where} ORDER BY created_at DESC LIMIT ?",
        "plan_id",
        "state",
    ),
    "worker": (
        "SELECT worker_id, host || ', ' || state, started_at FROM workers WHERE {where} ORDER BY worker_id DESC LIMIT ?",
        "worker_id",
        "state",
    ),
}


class Glimpse(NamedTuple):
    """An id, what it names in a few words, and since when."""

    ident: str
    words: str
    since: str


def glance(database: Path, kind: str, begun: str, states: Iterable[str] = ()) -> list[Glimpse]:
    """The newest ids of *kind* (``job``, ``plan``, ``worker``) that begin with *begun*, or end with it; in *states*, if any."""
    sql, column, state = _QUERIES[kind]
    wanted, word = tuple(states), begun.upper()
    where = f"({column} >= ? AND {column} < ? OR {column} LIKE ?)"
    values: list[object] = [word, word + "~", f"%{word}" if word.isalnum() else ""]
    if wanted:
        where += f" AND {state} IN ({', '.join('?' * len(wanted))})"
        values += wanted
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=0.2)) as connection:
            rows = connection.execute(sql.format(where=where), (*values, MOST)).fetchall()
    except (sqlite3.Error, ValueError):  # no store, another version's, a busy one: nothing to offer
        return []
    return [Glimpse(*row) for row in rows]
