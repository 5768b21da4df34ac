"""``agents job retry``."""

from __future__ import annotations

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.session import find_job, session, warn_without_worker
from agentsd.errors import ExitCode


@define("retry", examples="agents job retry 01JABCDE")
@click.argument("job")
def command(job: str) -> ExitCode:
    """Queue a new attempt at JOB, which has ended, and print the new job's id.

    Exits with 4, and names it, while an attempt that followed JOB is queued or running.
    """
    output = current_output()
    with session() as client:
        new = client.retry(find_job(client, job))
        warn_without_worker(client, output)
    return output.result({"job_id": new.job_id, "status": new.status}, lambda: [new.job_id])
