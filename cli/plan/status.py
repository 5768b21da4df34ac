"""``agents plan status``."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import paint, printable
from agentsd.cli.plan.source import source_state, source_words
from agentsd.cli.progress import step_lines
from agentsd.cli.session import find_plan, session
from agentsd.cli.shapes import plan_item, progress_of, shown_job
from agentsd.cli.words import STATE_STYLES, took, why
from agentsd.cli.worker.health import abandoned
from agentsd.errors import ExitCode
from agentsd.model import AsyncJob, PlanRow, PlanState

NEXT = {
    PlanState.DRAFT: ("execute {}",),
    PlanState.READY: ("diff {}", "apply {}"),
    PlanState.FAILED: ("logs {}", "retry {}"),
    PlanState.CANCELLED: ("retry {}",),
    PlanState.APPLYING: ("apply {}  finishes it", "revert {}  undoes it"),
    PlanState.APPLIED: ("revert {}  undoes it",),
}
"""A command a line: with an id of 26 characters two of them do not fit beside each other."""


@define(
    "status",
    examples="agents plan status 01JABCDE\nagents plan status 01JABCDE --format json | jq .data.state",
)
@click.argument("plan")
def command(plan: str) -> ExitCode:
    """Show where PLAN stands: its state, its latest job with the progress of the steps, and what to do next."""
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    with session() as client:
        row = plans.get(client.db, find_plan(client, plan))
        job = next(iter(client.list(plan_id=row.plan_id, limit=1)), None)
        shown = shown_job(client, job) if job else None
        left = bool(job and abandoned(client, [job]))
    data = {**plan_item(row), "source": source_state(row), "job": shown}
    return current_output().result(data, lambda: _lines(row, job, left))


def _lines(plan: PlanRow, job: AsyncJob | None, left: bool) -> Iterable[str]:
    yield f"{printable(plan.name)} {plan.plan_id} is {paint(plan.state, STATE_STYLES.get(plan.state, ''))}"
    if job is not None:
        reason = f" ({job.reason})" if job.reason else ""
        ran = f" {'after' if job.status.is_terminal else 'for'} {took(job)}" if job.started_at else ""
        more = "" if job.status.is_terminal else why(job, abandoned=left)
        yield f"{job.phase} {job.job_id} {job.status}{reason}{ran}{more and ', ' + more}"
        yield from step_lines(progress_of(job))
        if job.error:
            yield printable(job.error)
    if words := source_words(plan):
        yield words
    if plan.state in NEXT and (job is None or job.status.is_terminal):
        for head, command in zip_longest(["Next:"], NEXT[plan.state], fillvalue=""):
            yield f"{head:<5} agents plan {command.format(plan.plan_id)}"
