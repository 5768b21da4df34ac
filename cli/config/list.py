"""``agents config list``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from agentsd.cli.config.shown import as_json, as_text
from agentsd.cli.framework import current_output, define
from agentsd.cli.output import columns_of, table, width, wrapped
from agentsd.errors import ExitCode
from agentsd.store.keys import KEYS
from agentsd.store.settings import read_settings

Row = tuple[str, str, str, str]
"""Key, value, source, meaning."""
HEADINGS = ("KEY", "VALUE", "SOURCE", "MEANING")


@define("list", examples="agents config list\nagents config list --format json")
def command() -> ExitCode:
    """List every key with the value in force and where that comes from.

    An environment variable wins over the file, which wins over the default.
    """
    values, problems = read_settings()
    output = current_output()
    for problem in problems:
        output.warn(str(problem))
    items = [
        {
            "key": name,
            "value": as_json(value.value),
            "source": value.source,
            "default": as_json(KEYS[name].default),
            "variable": KEYS[name].variable,
            "help": KEYS[name].help,
        }
        for name, value in values.items()
    ]
    rows = [
        (name, as_text(name, value.value), value.source, KEYS[name].help) for name, value in values.items()
    ]
    return output.result({"keys": items}, lambda: _lines(rows), items=items)


def _lines(rows: Sequence[Row]) -> Iterable[str]:
    """A table; where it is too wide, in few words where a value comes from, and its meaning in as many lines as needed."""
    sizes = [max(columns_of(cell) for cell in column) for column in zip(*rows, strict=True)]
    if sum(sizes) + 2 * (len(sizes) - 1) > width():
        rows = list(_narrowed(rows))
    return table(HEADINGS, rows, give=("MEANING", "VALUE"))


def _narrowed(rows: Sequence[Row]) -> Iterator[Row]:
    known = [(name, value, _source(source), text) for name, value, source, text in rows]
    taken = sum(max(columns_of(row[index]) + 2 for row in known) for index in range(3))
    for name, value, source, text in known:
        first, *more = wrapped([text], width() - taken)
        yield name, value, source, first
        yield from (("", "", "", line) for line in more)


def _source(source: str) -> str:
    if source.startswith("AGENTS_"):
        return "variable"
    return "file" if os.sep in source else source
