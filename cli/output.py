"""The one place that prints: tables for people, the JSON envelope and JSON lines for programs.

Results go to stdout, messages to stderr. Nothing else in agentsd writes to either.
"""

from __future__ import annotations

import os
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

from agentsd.clock import utc_now
from agentsd.errors import ExitCode
from agentsd.model import JSON

FORMATS = ("table", "json", "jsonl")
Lines = Callable[[], Iterable[str]]
"""Makes the lines of the form for people; not called when a program is reading."""

ID_LENGTH = 26
ID = re.compile(f"[0-9A-Z]{{{ID_LENGTH}}}")
"""What is an id in a table."""
COMMAND = re.compile(rf"`[^`]*`|\bagents( [a-z][a-z-]*){{1,2}}( [0-9A-Z]{{{ID_LENGTH}}})?")
"""What is a command in a sentence."""
GLUE = "\0"
"""Stands for a space at which no line is broken."""
ID_IN_TEXT = re.compile(rf"\b{ID.pattern}\b")
LEAST_OF_ID = 8
"""Characters of an id's end that a table leaves."""
SHORTEST = 6
"""Characters of an id's end that are enough to name it by."""
LEAST = 6
"""Columns that a table leaves to what is no id."""
LEAST_OF_LINE = 20
"""Columns that sentences are broken to at least, however narrow the terminal is."""

STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


class Output:
    """Where one command's result and messages go. One for each run of ``agents``."""

    def __init__(self, form: str, command: str) -> None:
        """*form* is one of :data:`FORMATS`; *command* is the words after ``agents``."""
        self.form = form
        self.command = command
        self.started = utc_now()
        self._begin = time.monotonic()
        self._messages: list[dict[str, str]] = []
        self.exit_code = ExitCode.OK

    @property
    def is_table(self) -> bool:
        """Whether a person is reading."""
        return self.form == "table"

    def info(self, text: str) -> None:
        """Tell the person something about what was done."""
        self._say("info", text, to_stderr=self.form != "json")

    def warn(self, text: str) -> None:
        """Tell the person something that they should know; on stderr in every format."""
        self._say("warning", text, to_stderr=True)

    def _say(self, level: str, text: str, *, to_stderr: bool) -> None:
        self._messages.append({"level": level, "text": text})
        if to_stderr:
            _tell("Warning: " if level == "warning" else "", "yellow", text)

    def result(
        self,
        data: JSON,
        lines: Lines,
        *,
        items: Iterable[JSON] | None = None,
        exit_code: ExitCode = ExitCode.OK,
        closing: str = "",
    ) -> ExitCode:
        """Show what a command found. *items* are what ``jsonl`` shows, one a line (default: *data*).

        *closing* is told after a table: what stands before a long one has left the screen.
        """
        if closing and self.form != "table":
            self.info(closing)
        if self.form == "table":
            for line in lines():
                write(line + "\n")
            if closing:
                self.info(closing)
        elif self.form == "json":
            self._envelope(data, exit_code)
        else:
            for item in [data] if items is None else items:
                self.item(item)
        return exit_code

    def item(self, value: JSON) -> None:
        """One line of JSON, at once; what streams uses it."""
        write(json_text(value) + "\n")

    def error(self, text: str, exit_code: ExitCode) -> None:
        """Say why the command could not do what it was asked to."""
        if self.form == "table":
            _tell("Error: ", "red", text)
        else:
            self._messages.append({"level": "error", "text": text})
            self._envelope(None, exit_code)

    def _envelope(self, data: JSON, exit_code: int) -> None:
        envelope = {
            "command": self.command,
            "status": "ok" if exit_code == ExitCode.OK else "error",
            "exit_code": int(exit_code),
            "data": data,
            "timing": {
                "started": self.started,
                "duration_ms": round((time.monotonic() - self._begin) * 1000, 3),
            },
            "messages": self._messages,
        }
        write(json_text(envelope, indent=self.form == "json") + "\n")


def json_text(value: JSON, *, indent: bool = False) -> str:
    """*value* as JSON text."""
    import json  # noqa: PLC0415 - hardly ever needed

    import orjson  # noqa: PLC0415 - a table does not need it

    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
    except TypeError:  # a payload as deep as orjson takes it, and the envelope around it
        return json.dumps(value, ensure_ascii=False, indent=2 if indent else None)


def write(text: str, stream: TextIO | None = None) -> None:
    """Write *text* at once."""
    target = sys.stdout if stream is None else stream
    target.write(text)
    target.flush()


def _tell(label: str, style: str, text: str) -> None:
    """A message on stderr, in lines that a terminal need not break."""
    whole = label + text
    if is_terminal(sys.stderr):
        whole = "\n".join(wrapped(whole.splitlines(), width(sys.stderr)))
    words = label.rstrip()
    write(f"{paint(words, style, sys.stderr)}{whole.removeprefix(words)}\n", sys.stderr)


def write_bytes(data: bytes) -> None:
    """Write bytes that are not ours to decode, such as a log or a patch, to stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def is_terminal(stream: TextIO) -> bool:
    """Whether a person sees what is written to *stream*, and control sequences work there."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_color(stream: TextIO | None = None) -> bool:
    """Whether to use colour on *stream* (default: stdout). NO_COLOR and then FORCE_COLOR win over what it is."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream or sys.stdout)


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """*text* in a style of :data:`STYLES` if the stream shows colour; an unknown style is none."""
    code = STYLES.get(style)
    return f"\x1b[{code}m{text}\x1b[0m" if code and text and has_color(stream) else text


def width(stream: TextIO | None = None) -> int:
    """Columns of the terminal at *stream* (default: stdout); COLUMNS wins; a pipe has no limit."""
    wish = os.environ.get("COLUMNS", "")
    if wish.isdigit() and int(wish):
        return int(wish)
    target = stream or sys.stdout
    if not target.isatty():
        return sys.maxsize
    return os.get_terminal_size(target.fileno()).columns or 80


def columns_of(text: str) -> int:
    """How many columns of a terminal *text* takes: characters of East Asia take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def shorten(text: str, limit: int) -> str:
    """*text* in at most *limit* columns.

    Of an id, also at the end of other words, the end is kept: the beginnings of ids made at one time are one.
    """
    if columns_of(text) <= limit:
        return text
    room = max(0, limit - 1)
    before, ident = text[:-ID_LENGTH], text[-ID_LENGTH:]
    if ID.fullmatch(ident) and room - columns_of(before) >= min(room, SHORTEST):
        return f"{before}…{ident[ID_LENGTH - room + columns_of(before) :]}"
    kept = text[:room]
    while columns_of(kept) > room:
        kept = kept[:-1]
    return kept + "…"


def short_ids(text: str) -> str:
    """*text* with the end of each id in it instead of the id."""
    return ID_IN_TEXT.sub(lambda found: shorten(found[0], LEAST_OF_ID + 1), text)


def wrapped(lines: Iterable[str], limit: int | None = None) -> Iterable[str]:
    """*lines* broken between words where the terminal would break them anywhere; a pipe gets them whole.

    *limit*: columns, instead of the terminal's. A command stays in one piece, as far as it fits: one copies it.
    """
    import textwrap  # noqa: PLC0415 - not every command has sentences

    limit = max(LEAST_OF_LINE, width() if limit is None else limit)
    for line in lines:
        if len(line) <= limit:
            yield line
            continue
        margin = line[: len(line) - len(line.lstrip())]
        broken = textwrap.wrap(
            COMMAND.sub(lambda found: found[0].replace(" ", GLUE), line),
            limit,
            initial_indent="",
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
        yield from (part.replace(GLUE, " ") for part in broken)


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    give: Sequence[str | tuple[str, int]] = (),
    style: Callable[[str, str], str] = lambda _heading, _cell: "",
) -> Iterable[str]:
    """Lines of a table that fits the terminal.

    *right*: headings whose cells stand to the right. *give*: headings whose cells are shortened when the table is too
    wide, the first one first; with a number, to no fewer columns. *style* names the style of a cell by its heading.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    sizes = [max(columns_of(cell) for cell in column) for column in zip(headings, *rows, strict=True)]
    excess = sum(sizes) + 2 * (len(sizes) - 1) - width()
    for each in give:
        name, least = each if isinstance(each, tuple) else (each, LEAST)
        index = headings.index(name)
        if any(ID.fullmatch(row[index]) for row in rows):
            least = max(least, LEAST_OF_ID + 1)
        taken = max(0, min(excess, sizes[index] - max(least, len(name))))
        sizes[index] -= taken
        excess -= taken
    yield _row([paint(heading, "bold") for heading in headings], headings, headings, sizes, right)
    for cells in rows:
        short = [shorten(cell, size) for cell, size in zip(cells, sizes, strict=True)]
        painted = [paint(cell, style(name, cell)) for name, cell in zip(headings, short, strict=True)]
        yield _row(painted, short, headings, sizes, right)


def _row(
    painted: Sequence[str],
    plain: Sequence[str],
    headings: Sequence[str],
    sizes: Sequence[int],
    right: Sequence[str],
) -> str:
    cells: list[str] = []
    for shown, text, name, size in zip(painted, plain, headings, sizes, strict=True):
        space = " " * (size - columns_of(text))
        cells.append(space + shown if name in right else shown + space)
    return "  ".join(cells).rstrip()


def printable(text: str) -> str:
    """*text* without what would steer a terminal: names are chosen by plans and by agents."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def pairs(
    items: Iterable[tuple[str, str]], *, style: Callable[[str, str], str] = lambda _name, _word: ""
) -> Iterable[str]:
    """Lines of ``name  value``, the names in one column; empty values are left out.

    *style* names the style of a value's first word by the name; the values themselves cannot steer the terminal.
    """
    known = [(name, value) for name, value in items if value]
    space = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        lines = list(wrapped((printable(line) for line in value.splitlines()), width() - space - 2))
        first, *more = lines or [""]
        word, gap, rest = first.partition(" ")
        yield f"{paint(name.ljust(space), 'dim')}  {paint(word, style(name, word))}{gap}{rest}"
        yield from (f"{' ' * space}  {line}" for line in more)
