"""Write the manual pages into ``man/`` from the commands themselves: ``agents.1``, and one for each group.

A test fails when they are older than the commands; then:

    python docs/generate_man.py man
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from agentsd.cli.framework import LazyGroup
from agentsd.cli.main import cli

sys.path.insert(0, str(Path(__file__).parent))
from generate_tables import CODES

VARIABLES = {
    "AGENTS_STATE_DIR": "The state directory, an absolute path.",
    "AGENTS_CONFIG": "The configuration file.",
    "AGENTS_FORMAT": "table, json or jsonl, for every command that shows something.",
    "NO_COLOR": "If it is set and not empty, there is no colour.",
}


def escaped(text: str) -> str:
    """Text as roff takes it: nothing in it is a request."""
    plain = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{plain}" if plain.startswith((".", "'")) else plain


def paragraphs(text: str) -> Iterator[str]:
    """A docstring, paragraph by paragraph."""
    for number, paragraph in enumerate(inspect.cleandoc(text).replace("`", "").split("\n\n")):
        if number:
            yield ".PP"
        yield escaped(" ".join(paragraph.split()))


def head(name: str, summary: str) -> Iterator[str]:
    """The title and the section NAME."""
    yield r".\" Written by docs/generate_man.py"
    yield f'.TH "{name.upper()}" "1" "" "agentsd" "User Commands"'
    yield ".SH NAME"
    yield escaped(f"{name} - {summary[0].lower()}{summary[1:].rstrip('.')}")


def group_page(group: LazyGroup) -> Iterator[str]:
    """The page of one group of commands."""
    yield from head(f"agents-{group.name}", group.help or "")
    yield ".SH SYNOPSIS"
    yield rf"\fBagents {group.name}\fR \fICOMMAND\fR"
    for name in group.entries:
        command = group.get_command(click.Context(group), name)
        assert command is not None  # noqa: S101 - the group has just named it
        yield from section(f"agents {group.name} {name}", command)
    yield from see_also(f"agents-{group.name}")


def section(words: str, command: click.Command) -> Iterator[str]:
    """The part about one command."""
    context = click.Context(command, info_name=words)
    yield f".SH {escaped(words.upper())}"
    yield rf"\fB{escaped(words)}\fR {escaped(' '.join(command.collect_usage_pieces(context)))}"
    yield ".PP"
    yield from paragraphs(command.help or "")
    for parameter in command.params:
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield ".TP"
            yield rf"\fB{escaped(record[0])}\fR"
            yield escaped(" ".join(record[1].split()))
    yield ".PP"
    yield "Examples:"
    yield ".PP\n.EX"
    yield from (escaped(f"    $ {line.strip()}") for line in getattr(command, "examples", "").splitlines())
    yield ".EE"


def main_page() -> Iterator[str]:
    """The page of ``agents`` itself."""
    yield from head("agents", cli.help or "")
    yield ".SH SYNOPSIS"
    yield r"\fBagents\fR \fICOMMAND\fR [\fIOPTIONS\fR]"
    yield ".SH COMMANDS"
    for name, entry in cli.entries.items():
        yield ".TP"
        yield rf"\fBagents {escaped(name)}\fR"
        where = f" See agents-{name}(1)." if isinstance(entry, LazyGroup) else ""
        yield escaped(f"{entry.help}{where}")
    for name, entry in cli.entries.items():
        if not isinstance(entry, LazyGroup):
            command = cli.get_command(click.Context(cli), name)
            assert command is not None  # noqa: S101 - the table has just named it
            yield from section(f"agents {name}", command)
    yield ".SH EXIT STATUS"
    for code, words in CODES.items():
        yield f".TP\n\\fB{int(code)}\\fR\n{escaped(words)}"
    yield ".SH ENVIRONMENT"
    for name, words in VARIABLES.items():
        yield f".TP\n\\fB{name}\\fR\n{escaped(words)}"
    yield from see_also("agents")


def see_also(this: str) -> Iterator[str]:
    """The other pages."""
    names = [
        "agents",
        *(f"agents-{name}" for name, entry in cli.entries.items() if isinstance(entry, LazyGroup)),
    ]
    yield ".SH SEE ALSO"
    yield ", ".join(rf"\fB{escaped(name)}\fR(1)" for name in names if name != this)


def pages() -> dict[str, str]:
    """Every page by its file name."""
    found = {"agents.1": main_page()}
    found |= {
        f"agents-{name}.1": group_page(entry)
        for name, entry in cli.entries.items()
        if isinstance(entry, LazyGroup)
    }
    return {name: "\n".join(lines) + "\n" for name, lines in found.items()}


if __name__ == "__main__":
    for name, text in pages().items():
        (Path(sys.argv[1]) / name).write_text(text)
