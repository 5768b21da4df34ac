"""``agents plan logs``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.job.logs import show_logs
from agentsd.cli.plan.results import latest_job
from agentsd.cli.session import find_plan, session
from agentsd.errors import ExitCode


@define("logs", examples="agents plan logs 01JABCDE\nagents plan logs -f 01JABCDE --step test")
@click.argument("plan")
@click.option("-f", "--follow", is_flag=True, help="Go on until its job has ended.")
@click.option("--step", help="Only the output of this step: its number, id, name or file.")
@click.option(
    "--tail", type=click.IntRange(min=0), metavar="N", help="Begin with the last N lines of each file."
)
def command(plan: str, follow: bool, step: str | None, tail: int | None) -> ExitCode:
    """Show what the latest job of PLAN and its steps wrote."""
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    with session() as client:
        job = latest_job(client, plans.get(client.db, find_plan(client, plan)))
        return show_logs(client, job.job_id, follow=follow, step=step, tail=tail)
