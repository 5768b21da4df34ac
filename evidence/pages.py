"""Putting what was found between two marks of a page, so that a command writes its page by itself."""

from __future__ import annotations

from pathlib import Path


class NoPlaceError(Exception):
    """The page has no such marks, or more than one pair."""


def put(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- NAME -->`` and ``<!-- end of NAME -->``. Raises NoPlaceError."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before = page.read_text()
    if before.count(begin) != 1 or before.count(end) != 1:
        raise NoPlaceError(f"{page} has not exactly one {begin.strip()} and {end}.")
    head, _, rest = before.partition(begin)
    _, _, tail = rest.partition(end)
    # A table has to be a paragraph of its own.
    page.write_text(f"{head}{begin}\n{text.strip()}\n\n{end}{tail}")
