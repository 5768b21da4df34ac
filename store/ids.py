"""Ids: making new ones, and finding one row by what a person types.

That is a full id, or a prefix or suffix of six characters or more.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from agentsd.errors import AmbiguousIdError, InvalidInputError, NotFoundError
from agentsd.store.database import Database

if TYPE_CHECKING:
    from ulid import ULID

SHORTEST = 6
_FULL = 26  # characters of a ULID
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: https://github.com/ulid/spec


def new_id() -> str:
    """A fresh ULID: 26 characters that sort by time of birth."""
    return str(_ulid()())


@cache
def _ulid() -> type[ULID]:
    from ulid import ULID  # noqa: PLC0415 - it loads importlib.metadata, which only who makes ids should pay for

    return ULID


def resolve_id(db: Database, kind: str, table: str, column: str, ident: str) -> str:
    """The one id in *table* that *ident* names.

    Raises InvalidInputError for what cannot be an id, NotFoundError, AmbiguousIdError.
    """
    wanted = ident.upper()
    if not SHORTEST <= len(wanted) <= _FULL or not set(wanted) <= set(_ALPHABET):
        raise InvalidInputError(
            f"The id of a {kind}", expected=f"a ULID, or its first or last {SHORTEST}+ characters", got=ident
        )
    if len(wanted) == _FULL:
        found = db.read(f"SELECT {column} FROM {table} WHERE {column} = ?", (wanted,))
    else:
        # The range is the prefix match that an index can serve; the suffix has to look at every id.
        found = db.read(
            f"SELECT {column} FROM {table} WHERE ({column} >= ? AND {column} < ?) OR {column} LIKE ? LIMIT 5",
            (wanted, wanted + "~", f"%{wanted}"),
        )
    if not found:
        raise NotFoundError(kind, ident, _elsewhere(db, kind, wanted) or _nearest(db, kind, wanted))
    if len(found) > 1:
        raise AmbiguousIdError(kind, ident, [row[0] for row in found])
    return found[0][0]


_TABLES = {"job": ("async_jobs", "job_id"), "plan": ("plans", "plan_id"), "worker": ("workers", "worker_id")}
_LOOKED_AT = 2000
"""The newest ids among which a near one is looked for."""
_NEAR = 0.8
"""How much of an id has to be right, and in its place or next to it, for a typing mistake."""


def _elsewhere(db: Database, kind: str, wanted: str) -> str:
    """A hint if *wanted* names a thing of another kind; empty if not."""
    for other, (table, column) in _TABLES.items():
        if other == kind:
            continue
        # A job without a plan has its own id as that of its plan, but no plan has it.
        found = db.read(
            f"SELECT {column} FROM {table} WHERE {column} = ? OR {column} LIKE ? OR {column} LIKE ? LIMIT 2",
            (wanted, f"{wanted}%", f"%{wanted}"),
        )
        if len(found) == 1:
            return f"It is a {other}: {found[0][0]}."
    return ""


def _nearest(db: Database, kind: str, wanted: str) -> str:
    """A hint at the one id that *wanted* may be a mistyped form of; empty without one, or with several."""
    from difflib import SequenceMatcher  # noqa: PLC0415 - only for a message

    table, column = _TABLES[kind]
    matcher, best = SequenceMatcher(autojunk=False), list[tuple[float, str]]()
    matcher.set_seq2(wanted)
    for (ident,) in db.read(f"SELECT {column} FROM {table} ORDER BY {column} DESC LIMIT ?", (_LOOKED_AT,)):
        for part in {ident[: len(wanted)], ident[-len(wanted) :]}:
            matcher.set_seq1(part)
            if matcher.real_quick_ratio() >= _NEAR and matcher.ratio() >= _NEAR:
                best.append((matcher.ratio(), ident))
    best.sort(reverse=True)
    others = {ident for ratio, ident in best if ratio == best[0][0]}
    return f"Did you mean {best[0][1]}?" if len(others) == 1 else ""
