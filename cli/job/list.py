"""``agents job list``."""

from __future__ import annotations

from collections.abc import Iterable

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import table
from agentsd.cli.session import find_plan, session
from agentsd.cli.shapes import job_item
from agentsd.cli.words import ago, state_style, took, why
from agentsd.errors import ExitCode
from agentsd.model import AsyncJob, AsyncJobStatus

SHOWN = 50
"""Jobs in a table unless ``--limit`` says otherwise."""
HEADINGS = ("JOB", "PHASE", "STATUS", "REASON", "AGE", "TOOK")


@define(
    "list",
    examples="""agents job list
    agents job list --status running --status queued
    agents job list --plan 01JABCDE --limit 5
    agents job list --format jsonl | jq -r .job_id""",
)
@click.option(
    "--status",
    multiple=True,
    type=click.Choice([each.value for each in AsyncJobStatus]),
    help="Only these; repeatable.",
)
@click.option("--plan", help="Only jobs of this plan.")
@click.option(
    "--limit", type=click.IntRange(0, 2**31), help=f"At most so many; 0: all [default: {SHOWN} in a table]."
)
def command(status: tuple[str, ...], plan: str | None, limit: int | None) -> ExitCode:
    """List jobs, newest first."""
    output = current_output()
    wanted = (SHOWN if output.is_table else 0) if limit is None else limit
    with session() as client:
        plan_id = find_plan(client, plan) if plan is not None else None
        # One more than is shown, to know whether there are more.
        asked = wanted + 1 if wanted else None
        found = client.list(statuses=status, plan_id=plan_id, limit=asked)
        summary = {} if output.is_table else _summary(client.db)
    shown = found[:wanted] if wanted else found
    if limit is None and len(found) > len(shown):
        output.info(f"The newest {wanted} are shown; --limit 0 shows all.")
    if not shown:
        output.info("There are no such jobs.")
    items = [] if output.is_table else [job_item(job) for job in shown]
    return output.result(
        {"jobs": items, "summary": summary}, lambda: _lines(shown) if shown else [], items=items
    )


def _summary(db: object) -> dict[str, int]:
    from agentsd.store import jobs  # noqa: PLC0415 - loaded with the client

    return jobs.counts(db)  # pyright: ignore[reportArgumentType]


def _lines(jobs: list[AsyncJob]) -> Iterable[str]:
    rows = [(job.job_id, job.phase, job.status, why(job), ago(job.created_at), took(job)) for job in jobs]
    return table(HEADINGS, rows, right=("AGE", "TOOK"), give=("PHASE", "REASON", "JOB"), style=state_style)
