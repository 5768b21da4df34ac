"""``agents worker stop``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.session import session
from agentsd.cli.worker.asked import meant, show_asked
from agentsd.errors import ExitCode


@define(
    "stop",
    examples="""agents worker stop
    agents worker stop 01JABCDE --now""",
)
@click.argument("worker", required=False)
@click.option("--now", is_flag=True, help="Ask its jobs to stop at once; they are queued again.")
def command(worker: str | None, now: bool) -> ExitCode:
    """Ask WORKER (or the only one that runs) to stop; its jobs may finish within async.shutdown_grace."""
    with session() as client:
        asked = client.stop_worker(meant(client, worker), now=now)
    return show_asked(asked, "stop", now=now)
