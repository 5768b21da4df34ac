"""Write the pages of the configuration and of the exit codes: their tables come from the code, the rest from ``*.in.md``.

A test fails when a page is older than the code; then:

    python docs/generate_tables.py docs/reference
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from agentsd.cli.config.shown import as_text
from agentsd.errors import ExitCode
from agentsd.store.keys import KEYS

SOURCES = Path(__file__).parent / "reference"
CODES = {
    ExitCode.OK: "It worked.",
    ExitCode.ERROR: "Something failed; also: a job that was waited for failed, or a check found errors.",
    ExitCode.USAGE: "Wrong usage or invalid input; also an id that fits several things.",
    ExitCode.NOT_FOUND: "Nothing has that id.",
    ExitCode.CONFLICT: "A conflict, or the thing is in the wrong state for this.",
    ExitCode.TIMED_OUT: "The wait's own limit passed, or the job ended with the reason timeout.",
    ExitCode.CANCELLED: "The job was cancelled, or Ctrl-C was pressed.",
}
"""What each exit code means, in the manual pages too."""


def keys() -> Iterator[str]:
    """The table of configuration keys."""
    yield "| key | default | meaning | in force |\n|---|---|---|---|"
    for key in KEYS.values():
        yield f"| `{key.name}` | {as_text(key.name, key.default)} | {key.help} | {key.effect} |"


def codes() -> Iterator[str]:
    """The table of exit codes; KeyError for one that has no words."""
    yield "| code | name | meaning |\n|---|---|---|"
    for code in ExitCode:
        yield f"| {int(code)} | {code.name.lower().replace('_', ' ')} | {CODES[code]} |"


def pages() -> dict[str, str]:
    """Both pages by their file names."""
    tables = {"config": ("<!-- keys -->", keys()), "exit_codes": ("<!-- codes -->", codes())}
    return {
        f"{name}.md": (SOURCES / f"{name}.in.md").read_text().replace(mark, "\n".join(lines))
        for name, (mark, lines) in tables.items()
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (Path(sys.argv[1]) / name).write_text(text)
