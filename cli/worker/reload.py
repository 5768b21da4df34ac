"""``agents worker reload``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.session import session
from agentsd.cli.worker.asked import meant, show_asked
from agentsd.errors import ExitCode


@define("reload", examples="agents config set async.max_workers 8\nagents worker reload")
@click.argument("worker", required=False)
def command(worker: str | None) -> ExitCode:
    """Ask WORKER (or the only one that runs) to read the configuration again; it is what SIGUSR1 does.

    A wrong configuration changes nothing, and the worker's log says what is wrong.
    """
    with session() as client:
        asked = client.reload_worker(meant(client, worker))
    return show_asked(asked, "read its configuration again")
