"""``agents job hold``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.job.steering import steer
from agentsd.errors import ExitCode


@define("hold", examples="agents job hold 01JABCDE\nagents job hold 01JABCDE 01JBCDEF")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
def command(jobs: tuple[str, ...]) -> ExitCode:
    """Keep every JOB, which is queued, from starting until it is released.

    Exits with 4 if one is not queued any more.
    """
    return steer(jobs, lambda client, job_id: client.hold(job_id), "held")
