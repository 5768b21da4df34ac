"""``agents top``."""

from __future__ import annotations

import sys

import click

from agentsd.cli.framework import Seconds, current_output, define
from agentsd.cli.output import is_terminal
from agentsd.cli.session import session
from agentsd.errors import ExitCode, MissingExtraError


@define("top", examples='agents top\nagents top --every "5 s"')
@click.option("--every", type=Seconds(), default=2.0, help="How often to look [default: 2 s].")
def command(every: float) -> ExitCode:
    """Watch workers, jobs and their processes on the whole screen; the selected job's output runs along.

    Arrows select a job, c cancels it after asking, q ends. Needs a terminal, and `pip install 'agentsd[top]'`.
    """
    if not (current_output().is_table and is_terminal(sys.stdout)):
        raise click.UsageError(
            "agents top needs a terminal and the format table. For programs: agents job list."
        )
    try:
        from agentsd.cli.top.app import Top  # noqa: PLC0415 - an optional library, and a slow one
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "textual":
            raise
        raise MissingExtraError("agents top", "textual", "top") from None
    with session() as client:
        Top(client, every=max(0.1, every)).run()
    return ExitCode.OK
