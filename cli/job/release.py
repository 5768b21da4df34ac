"""``agents job release``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.job.steering import steer
from agentsd.errors import ExitCode


@define("release", examples="agents job release 01JABCDE\nagents job release 01JABCDE 01JBCDEF")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
def command(jobs: tuple[str, ...]) -> ExitCode:
    """Let every JOB that is held start again, at its old place in the queue."""
    return steer(jobs, lambda client, job_id: client.release(job_id), "released")
