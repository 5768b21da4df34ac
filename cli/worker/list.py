"""``agents worker list``."""

from __future__ import annotations

from collections.abc import Iterable

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import table
from agentsd.cli.session import session
from agentsd.cli.shapes import worker_item
from agentsd.cli.watch import draw_again, watch_option
from agentsd.cli.words import ago, state_style
from agentsd.cli.worker.health import seen_workers
from agentsd.errors import ExitCode
from agentsd.model import Worker

HEADINGS = ("WORKER", "HEALTH", "PID", "RUNS", "DONE", "BEAT", "STARTED", "HOST")


@define(
    "list", examples="agents worker list\nagents worker list --watch\nagents worker list --all --format json"
)
@click.option("--all", "every", is_flag=True, help="Those that have ended, too.")
@watch_option()
def command(every: bool, watch: bool) -> ExitCode:
    """List workers, newest first: how they are, what they run, when they last gave a sign of life."""
    output = current_output()
    with session() as client:
        if watch:
            return draw_again(output, lambda: worker_table(seen_workers(client, include_ended=every)))
        found = seen_workers(client, include_ended=every)
    if not found:
        output.info("No worker is running. Start one: agents worker start")
    items = [worker_item(row, health) for row, health in found]
    return output.result({"workers": items}, lambda: worker_table(found) if found else [], items=items)


def worker_table(found: Iterable[tuple[Worker, str]]) -> Iterable[str]:
    """A table of workers and their health."""
    rows = [
        (
            row.worker_id,
            health,
            str(row.pid),
            f"{row.running}/{row.max_workers}",
            str(row.jobs_processed),
            ago(row.last_heartbeat),
            ago(row.started_at),
            row.host,
        )
        for row, health in found
    ]
    right = ("PID", "RUNS", "DONE", "BEAT", "STARTED")
    return table(HEADINGS, rows, right=right, give=("HOST", "WORKER"), style=state_style)
