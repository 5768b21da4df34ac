"""Print ``docs/reference/cli.md`` from the commands themselves.

A test fails when the page is older than the commands; then:

    python docs/generate_cli.py > docs/reference/cli.md
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from agentsd.cli.main import cli

INTRODUCTION = """\
# Command line

<!-- Written by docs/generate_cli.py -->

- **Ids** are ULIDs. Any six or more characters from the beginning or the end of one will do, as long as they fit one thing only.
- **Output**: results go to stdout, messages to stderr. Colour and progress appear on a terminal only.
- **`--format table|json|jsonl`** is an option of every command (or set `AGENTS_FORMAT`). `json` is one envelope,
  `{"command", "status", "exit_code", "data", "timing": {"started", "duration_ms"}, "messages": [{"level", "text"}]}`, for
  errors too; `jsonl` is bare items, one a line.
- **Exit codes** are [in one table](exit_codes.md).
- **Durations** may carry units: `"90 s"`, `"10 m"`, `"1h 30m"`, `"7 d"`.
"""


def commands(group: click.Group, words: tuple[str, ...] = ("agents",)) -> Iterator[tuple[str, click.Command]]:
    """Each command with the words that call it, in the order of the help."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None  # noqa: S101 - click has just named it
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        elif not command.hidden:
            yield " ".join((*words, name)), command


def describe(words: str, command: click.Command) -> str:
    """The section of one command."""
    context = click.Context(command, info_name=words)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"## `{words}`", f"    {words} {usage}", inspect.cleandoc(command.help or "")]
    rows = [option_row(option, context) for option in command.params if is_shown(option)]
    if rows:
        parts.append("\n".join(("| option | |", "|---|---|", *rows)))
    if examples := getattr(command, "examples", ""):
        shown = "\n".join(f"$ {line.strip()}" for line in examples.splitlines())
        parts.append(f"```console\n{shown}\n```")
    return "\n\n".join(parts) + "\n"


def is_shown(parameter: click.Parameter) -> bool:
    """Whether a parameter has a row: those that every command has are in the introduction."""
    return (
        isinstance(parameter, click.Option)
        and not parameter.hidden
        and parameter.name not in {"help", "format"}
    )


def option_row(parameter: click.Parameter, context: click.Context) -> str:
    """One row of the table of options."""
    record = parameter.get_help_record(context)
    assert record is not None  # noqa: S101 - it is not hidden
    names, text = (cell.replace("|", "\\|") for cell in record)
    return f"| `{names}` | {' '.join(text.split())} |"


if __name__ == "__main__":
    print(INTRODUCTION)
    print("\n".join(describe(words, command) for words, command in commands(cli)), end="")
