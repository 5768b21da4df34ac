"""``agents help``: the help of a command, as its ``--help`` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agentsd.cli.framework import LazyGroup, define
from agentsd.cli.output import write
from agentsd.errors import ExitCode

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _offer(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The commands that may stand here, for a shell."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for a shell

    try:
        found = _walk(ctx.find_root(), ctx.params.get("words") or ()).command
    except click.UsageError:
        return []
    if not isinstance(found, LazyGroup):
        return []
    fitting = [(name, entry) for name, entry in found.entries.items() if name.startswith(incomplete)]
    return [CompletionItem(name, help=entry.help) for name, entry in fitting]


@define("help", examples="agents help\n    agents help job\n    agents help job cancel")
@click.argument("words", nargs=-1, metavar="[COMMAND]...", shell_complete=_offer)
def command(words: tuple[str, ...]) -> ExitCode:
    """Show the help of COMMAND, as `agents COMMAND --help` does; without one, what commands there are."""
    write(_walk(click.get_current_context().find_root(), words).get_help() + "\n")
    return ExitCode.OK


def _walk(context: click.Context, words: tuple[str, ...]) -> click.Context:
    """The context of the command that *words* name below that of *context*. Raises UsageError."""
    for word in words:
        group = context.command
        if not isinstance(group, LazyGroup):
            raise click.UsageError(f"'{context.command_path}' has no command {word!r}.", context)
        _, found, _ = group.resolve_command(context, [word])
        assert found is not None  # noqa: S101 - what is not there has been refused
        context = click.Context(found, info_name=word, parent=context)
    return context
