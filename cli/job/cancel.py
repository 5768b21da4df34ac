"""``agents job cancel``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.job.targets import chosen, show_targets
from agentsd.cli.output import Output
from agentsd.cli.session import find_job, session
from agentsd.cli.shapes import shown_job
from agentsd.cli.words import count
from agentsd.errors import AgentsError, ConflictError, ExitCode
from agentsd.model import ACTIVE_STATUSES, JSON, AsyncJob, AsyncJobStatus

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


@define(
    "cancel",
    examples="""agents job cancel 01JABCDE --reason "wrong branch"
    agents job cancel 01JABCDE 01JBCDEF --wait
    agents job cancel 01JABCDE --force
    agents job cancel --phase resize --status queued --dry-run
    agents job cancel --all""",
)
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option(
    "--status",
    type=click.Choice([each.value for each in ACTIVE_STATUSES]),
    help="Every job that is queued, or that is running.",
)
@click.option("--plan", help="Every job of this plan.")
@click.option("--phase", help="Every job of this phase.")
@click.option("--all", "every", is_flag=True, help="Every job.")
@click.option("--dry-run", is_flag=True, help="Only list what would be cancelled, with its processes.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept with the job.")
@click.option("--signal", metavar="NAME", help="What its process gets first [default: TERM].")
@click.option("--force", is_flag=True, help="If its worker does not react in 5 s, kill the job from here.")
@click.option("--wait", is_flag=True, help="Wait until the job has ended.")
def command(
    jobs: tuple[str, ...],
    status: str | None,
    plan: str | None,
    phase: str | None,
    every: bool,
    dry_run: bool,
    reason: str,
    signal: str | None,
    force: bool,
    wait: bool,
) -> ExitCode:
    """Cancel every JOB: one that waits at once, one that runs with all its processes.

    A running job is asked to stop, and after async.cancel_grace it is killed; it is `cancelled` when none of
    its processes is left. Exits with 4 if a JOB had ended already. Instead of naming jobs, say which: those that
    all of --status, --plan and --phase fit.
    """
    filters = every or any(each is not None for each in (status, plan, phase))
    if bool(jobs) == filters:
        raise click.UsageError("Expected either JOBs or one of --status, --plan, --phase, --all.")
    with session() as client:
        ids = [find_job(client, ident) for ident in jobs] if jobs else chosen(client, status, plan, phase)
        if dry_run:
            return show_targets(client, ids)
        return cancel_jobs(client, ids, reason=reason, signal=signal, force=force, wait=wait, several=filters)


def cancel_jobs(
    client: Client,
    ids: list[str],
    *,
    reason: str,
    signal: str | None = None,
    force: bool = False,
    wait: bool = False,
    several: bool = False,
) -> ExitCode:
    """Cancel jobs and show what became of each; of several exit codes the worst.

    *several*: they were chosen by what they are, so there may be any number of them.
    """
    several = several or len(ids) > 1
    output = current_output()
    done: list[tuple[AsyncJob, bool]] = []
    worst = ExitCode.OK
    for outcome in client.cancel_many(ids, reason=reason, signal=signal, force=force):
        try:
            if isinstance(outcome, AgentsError):
                raise outcome
            job = client.wait(outcome.job.job_id) if wait and outcome.acknowledged else outcome.job
            done.append((job, outcome.acknowledged))
            worst = max(worst, _judge(job, outcome.acknowledged, output, waited=wait))
        except AgentsError as error:
            if not several:
                raise
            output.warn(str(error))
            worst = max(worst, error.exit_code)
    items: list[dict[str, JSON]] = []
    if not output.is_table:
        items = [{**shown_job(client, job), "acknowledged": heard} for job, heard in done]
    data = {"jobs": items} if several else next(iter(items), None)
    return output.result(
        data,
        lambda: [_line(job) for job, _ in done],
        items=items,
        exit_code=worst,
        closing=_closing(len(ids), [job for job, _ in done]) if several else "",
    )


def _closing(asked: int, done: list[AsyncJob]) -> str:
    """How many of the jobs are what."""
    if not asked:
        return "There are no such jobs."
    cancelled, running = (
        sum(job.status is status for job in done)
        for status in (AsyncJobStatus.CANCELLED, AsyncJobStatus.RUNNING)
    )
    parts = {"cancelled": cancelled, "being cancelled": running, "not cancelled": asked - cancelled - running}
    words = ", ".join(f"{number} {what}" for what, number in parts.items() if number)
    return f"{count(asked, 'job')}: {words}."


def _judge(job: AsyncJob, acknowledged: bool, output: Output, *, waited: bool) -> ExitCode:
    """The exit code for one job. Raises ConflictError if it ended in another way than it was asked to."""
    if not acknowledged and job.status is not AsyncJobStatus.CANCELLED:
        output.warn(
            f"Worker {job.worker_id} has not reacted for 5 s; is it stopped or hung? The request stands."
            " --force kills the job from here."
        )
        return ExitCode.ERROR
    if waited and job.status is not AsyncJobStatus.CANCELLED:
        raise ConflictError(
            f"Job {job.job_id} ended {job.status} ({job.reason}) before it could be cancelled."
        )
    return ExitCode.OK


def _line(job: AsyncJob) -> str:
    if job.status is AsyncJobStatus.RUNNING:
        return f"{job.job_id} is being cancelled"
    return f"{job.job_id} {job.status} ({job.reason})"
