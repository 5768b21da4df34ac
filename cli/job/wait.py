"""``agents job wait``."""

from __future__ import annotations

import time

import click

from agentsd.cli.framework import Seconds, current_output, define
from agentsd.cli.progress import ProgressLine
from agentsd.cli.session import find_job, session
from agentsd.cli.shapes import shown_job
from agentsd.cli.words import took
from agentsd.errors import ExitCode
from agentsd.model import AsyncJob


@define(
    "wait",
    examples="""agents job wait 01JABCDE
    agents job wait 01JABCDE 01JBCDEF --timeout "10 m" """,
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option("--timeout", type=Seconds(), help="Give up after so long; the jobs go on.")
def command(jobs: tuple[str, ...], timeout: float | None) -> ExitCode:
    """Wait until every JOB has ended, and exit as they did.

    0 succeeded, 130 cancelled, 124 timed out (the job, or this wait), 4 conflict, 1 failed otherwise; of
    several jobs the worst. A job that a worker queues again by itself is followed.
    """
    from agentsd.supervisor.outcome import exit_code_for  # noqa: PLC0415 - loaded with the client

    output = current_output()
    deadline = None if timeout is None else time.monotonic() + timeout
    ended: list[AsyncJob] = []
    with session() as client:
        for job_id in [find_job(client, ident) for ident in jobs]:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            with ProgressLine(output) as line:
                ended.append(client.wait(job_id, timeout=left, on_change=line.show_job))
        items = [] if output.is_table else [shown_job(client, job) for job in ended]
    worst = max(exit_code_for(job) for job in ended)
    data = {"jobs": items} if len(jobs) > 1 else next(iter(items), None)
    return output.result(data, lambda: map(outcome_line, ended), items=items, exit_code=worst)


def outcome_line(job: AsyncJob) -> str:
    """How a job ended, in one line."""
    said = f"{job.job_id} {job.status} ({job.reason})"
    ran = f" after {took(job)}" if job.started_at else ""
    return f"{said}{ran}" + (f": {job.error}" if job.error else "")
