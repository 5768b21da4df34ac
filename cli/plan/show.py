"""``agents plan show``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import paint, pairs, printable, table
from agentsd.cli.plan.results import change_words
from agentsd.cli.plan.source import source_state, source_words
from agentsd.cli.session import find_plan, session
from agentsd.cli.shapes import parsed, plan_object
from agentsd.cli.words import ago, fact_style, state_style, took
from agentsd.errors import ExitCode
from agentsd.model import JSON, AsyncJob, PlanRow


@define(
    "show",
    examples="agents plan show 01JABCDE\nagents plan show 01JABCDE --format json | jq .data.frozen.steps",
)
@click.argument("plan")
def command(plan: str) -> ExitCode:
    """Show PLAN: where it comes from, its steps, its jobs, what it changed."""
    from agentsd.store import jobs, plans  # noqa: PLC0415 - loaded with the client

    with session() as client:
        row = plans.get(client.db, find_plan(client, plan))
        its_jobs = client.list(plan_id=row.plan_id)
        latest = jobs.latest_result(client.db, row.plan_id)
    result = parsed(latest.result) if latest else None
    data = {**plan_object(row, its_jobs), "source": source_state(row), "result": result}
    return current_output().result(data, lambda: _lines(row, its_jobs, result))


def _lines(plan: PlanRow, its_jobs: list[AsyncJob], result: JSON) -> Iterable[str]:
    yield from pairs(_facts(plan, result), style=fact_style)
    yield from ("", paint("Steps", "bold"))
    for number, step in enumerate(parsed(plan.frozen_json)["steps"], start=1):
        yield f"  {number:2}  " + printable(f"{step['name']}: {_action(step)}")
    if its_jobs:
        rows = [
            (job.job_id, job.phase, job.status, job.reason or "", ago(job.created_at), took(job))
            for job in its_jobs
        ]
        yield ""
        yield from table(
            ("JOB", "PHASE", "STATUS", "REASON", "AGE", "TOOK"),
            rows,
            style=state_style,
            give=("JOB", "REASON"),
        )


def _facts(plan: PlanRow, result: JSON) -> Iterable[tuple[str, str]]:
    yield "plan", plan.plan_id
    yield "name", plan.name
    yield "about", plan.description or ""
    yield "state", plan.state
    yield "project", plan.project
    yield "branch", f"{plan.branch or 'none'} at {(plan.head or 'no commit')[:12]}" if plan.head else ""
    yield "sandbox", plan.sandbox
    yield "file", plan.source_path
    yield "", source_words(plan)
    yield "created", f"{plan.created_at} ({ago(plan.created_at)} ago)"
    yield "changes", change_words(cast("Mapping[str, JSON]", result)) if result else ""


def _action(step: Mapping[str, JSON]) -> str:
    """What a step does, in one line."""
    if "run" in step:
        first, *more = str(step["run"]).strip().splitlines() or [""]
        return first + (" …" if more else "")
    return f"python {step['python']}" if "python" in step else f"write {step['write']['path']}"
