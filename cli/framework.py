"""What every command shares: lazily loaded groups, ``--format``, examples in the help, own option types."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import click

from agentsd.cli.complete import offer_what_there_is
from agentsd.cli.output import FORMATS, Output
from agentsd.model import TIME_FORMAT
from agentsd.store.units import parse_seconds


class Entry(NamedTuple):
    """A command that is loaded when it is called: where it is, and its line in the help of its group."""

    module: str
    help: str


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are run; its help imports none."""

    def __init__(
        self,
        name: str,
        summary: str,
        entries: Mapping[str, Entry | LazyGroup],
        *,
        examples: str = "",
        **more: Any,
    ) -> None:
        """*entries* in the order in which the help lists them."""
        super().__init__(name, help=summary, **more)
        self.entries, self.examples = entries, examples

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command *cmd_name*."""
        entry = self.entries.get(cmd_name)
        if isinstance(entry, Entry):
            return importlib.import_module(entry.module).command
        return entry

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named, or say which one is near."""
        if args[0] not in self.entries and not args[0].startswith("-"):
            raise click.UsageError(f"No such command {args[0]!r}.{nearest(args[0], self.entries)}", ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options before the command; no command at all is an error."""
        if not args and not ctx.resilient_parsing:
            raise MissingCommandError(f"Expected a command: {', '.join(self.entries)}.", ctx)
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none."""
        rows = [(name, entry.help or "") for name, entry in self.entries.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(self.examples, formatter)


class MissingCommandError(click.UsageError):
    """A group was named without one of its commands; a person gets the help."""


def nearest(word: str, known: Mapping[str, object]) -> str:
    """A hint at the nearest of *known*, beginning with a space; empty if none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a message

    close = get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(known)}."


class Command(click.Command):
    """A command with ``--format``, whose help ends in worked examples."""

    def __init__(self, *args: Any, examples: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.examples = examples.strip("\n")
        offer_what_there_is(self.params)
        self.params.append(format_option())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(self.examples, formatter)


def _write_examples(examples: str, formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples"):
            for line in examples.splitlines():
                formatter.write(f"{' ' * formatter.current_indent}{line.strip()}\n")


def define(name: str, *, examples: str = "", **more: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function the command *name*. Its docstring is the help; it returns the exit code."""
    return click.command(name, cls=Command, examples=examples, **more)


def format_option() -> click.Option:
    """The option ``--format``; it takes effect at once and is not passed on."""

    def choose(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        output = ctx.find_object(Output)
        if value is not None and output is not None:
            output.form = value

    return click.Option(
        ["--format"],
        type=click.Choice(FORMATS),
        callback=choose,
        expose_value=False,
        is_eager=True,
        help="How to show the result [default: table, or AGENTS_FORMAT].",
    )


def current_output() -> Output:
    """The output of the command that runs."""
    output = click.get_current_context().find_object(Output)
    assert output is not None  # noqa: S101 - main makes it before any command runs
    return output


class Seconds(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - generic only in newer clicks
    """A span of time: a number of seconds, or text with units."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read seconds."""
        try:
            return parse_seconds(value)
        except ValueError as error:
            return self.fail(f"expected {error}, got {value!r}.", param, ctx)


class Since(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - generic only in newer clicks
    """A moment: an RFC 3339 time (the local one if it names no zone), or how long ago, such as ``2 h``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a moment as the store writes it: UTC of fixed width."""
        try:
            moment = _moment(str(value))
        except (ValueError, OverflowError):
            expected = "a time such as 2026-01-31T09:00, or how long ago such as '2 h'"
            return self.fail(f"expected {expected}, got {value!r}.", param, ctx)
        return moment.astimezone(UTC).strftime(TIME_FORMAT)


def _moment(text: str) -> datetime:
    """Raises ValueError for what is no moment, OverflowError for one before all times."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC) - timedelta(seconds=parse_seconds(text))
