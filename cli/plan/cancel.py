"""``agents plan cancel``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.job.cancel import cancel_jobs
from agentsd.cli.plan.results import active_job
from agentsd.cli.session import find_plan, session
from agentsd.errors import ConflictError, ExitCode


@define("cancel", examples='agents plan cancel 01JABCDE --reason "wrong branch"')
@click.argument("plan")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept with the job.")
@click.option("--force", is_flag=True, help="If its worker does not react in 5 s, kill the job from here.")
@click.option("--wait", is_flag=True, help="Wait until the job has ended.")
def command(plan: str, reason: str, force: bool, wait: bool) -> ExitCode:
    """Cancel the job of PLAN that is queued or running."""
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    with session() as client:
        row = plans.get(client.db, find_plan(client, plan))
        job = active_job(client, row.plan_id)
        if job is None:
            raise ConflictError(f"Plan {row.plan_id} is {row.state}: no job of it is queued or running.")
        return cancel_jobs(client, [job.job_id], reason=reason, force=force, wait=wait)
