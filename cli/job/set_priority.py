"""``agents job set-priority``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.job.steering import steer
from agentsd.errors import ExitCode


@define(
    "set-priority",
    examples="agents job set-priority 10 01JABCDE\nagents job set-priority -5 01JABCDE 01JBCDEF",
    context_settings={"ignore_unknown_options": True},  # or -5 would be one
)
@click.argument("priority", type=click.IntRange(-(2**31), 2**31 - 1))
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
def command(priority: int, jobs: tuple[str, ...]) -> ExitCode:
    """Give every JOB, which is queued, the PRIORITY; those with a higher one start first, 0 is the default."""
    return steer(
        jobs, lambda client, job_id: client.set_priority(job_id, priority), f"has priority {priority}"
    )
