"""Ids: making new ones, and finding one row by what a person types.

That is a full id, or a prefix or suffix of six characters or more.
"""

from __future__ import annotations

from agentsd.errors import AmbiguousIdError, InvalidInputError, NotFoundError
from agentsd.store.database import Database

SHORTEST = 6
_FULL = 26  # characters of a ULID
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: https://github.com/ulid/spec


def new_id() -> str:
    """A fresh ULID: 26 characters that sort by time of birth."""
    from ulid import ULID  # noqa: PLC0415 - it loads importlib.metadata, which only who makes ids should pay for

    return str(ULID())


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
        raise NotFoundError(kind, ident)
    if len(found) > 1:
        raise AmbiguousIdError(kind, ident, [row[0] for row in found])
    return found[0][0]
