"""``agents worker drain``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.session import session
from agentsd.cli.worker.asked import meant, show_asked
from agentsd.errors import ExitCode


@define("drain", examples="agents worker drain\nagents worker drain 01JABCDE")
@click.argument("worker", required=False)
def command(worker: str | None) -> ExitCode:
    """Ask WORKER (or the only one that runs) to take no more jobs, and to end when its last job has.

    However long that takes: `agents worker stop` sets a limit.
    """
    with session() as client:
        asked = client.drain_worker(meant(client, worker))
    return show_asked(asked, "take no more jobs and to end when it has none")
