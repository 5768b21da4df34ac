"""``agents plan retry``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.plan.results import latest_job, refuse_active
from agentsd.cli.plan.running import run_here, show_queued
from agentsd.cli.session import find_plan, session
from agentsd.errors import ConflictError, ExitCode
from agentsd.model import PLAN_PHASES, AsyncJobStatus, Phase


@define("retry", examples="agents plan retry 01JABCDE")
@click.argument("plan")
def command(plan: str) -> ExitCode:
    """Run the latest job of PLAN again, which failed or was cancelled; as execute or apply would.

    The new job is linked to that one: `retry_of` and the number of the attempt say so.
    """
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    with session() as client:
        row = plans.get(client.db, find_plan(client, plan))
        refuse_active(client, row)
        job = latest_job(client, row)
        if job.status is AsyncJobStatus.SUCCEEDED:
            raise ConflictError(
                f"The {job.phase} of plan {row.plan_id} succeeded: there is nothing to retry."
            )
        if client.settings.enabled or job.phase not in PLAN_PHASES:
            return show_queued(client, client.retry(job.job_id))
        return run_here(client, row.plan_id, Phase(job.phase), retried=job)
