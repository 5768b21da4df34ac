"""``agents plan create``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import json_text
from agentsd.cli.session import session
from agentsd.cli.words import count
from agentsd.clock import utc_now
from agentsd.errors import ExitCode
from agentsd.model import PlanRow, PlanState

if TYPE_CHECKING:
    from agentsd.plans.frozen import FrozenPlan


@define(
    "create",
    examples="""agents plan create plan.yaml
    agents plan create --check plan.yaml
    agents plan create ~/plans/tidy.yaml --project ~/src/thing""",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--project", type=click.Path(path_type=Path), help="What it works on [default: the current directory]."
)
@click.option("--check", is_flag=True, help="Only check the file; store nothing.")
def command(file: Path, project: Path | None, check: bool) -> ExitCode:
    """Check the plan FILE, freeze it with the project's branch and HEAD, store it, and print its id.

    Later changes to FILE change nothing. A plan's `env` is stored with it: never put a secret there.
    """
    from agentsd.plans.file import load_plan  # noqa: PLC0415 - only this command reads YAML

    plan = load_plan(file, project or Path.cwd())
    output = current_output()
    if check:
        said = (
            f"{file} is a good plan: {plan.name}, {count(len(plan.steps), 'step')}, sandbox {plan.sandbox}."
        )
        data = {"plan_id": None, "name": plan.name, "steps": len(plan.steps), "sandbox": plan.sandbox}
        return output.result(data, lambda: [said])
    with session() as client:
        from agentsd.store import plans  # noqa: PLC0415 - loaded with the client
        from agentsd.store.ids import new_id  # noqa: PLC0415

        row = row_of(plan, new_id())
        plans.create(client.db, row)
    return output.result({"plan_id": row.plan_id}, lambda: [row.plan_id])


def row_of(plan: FrozenPlan, plan_id: str) -> PlanRow:
    """The row that stores a frozen plan."""
    now = utc_now()
    return PlanRow(
        plan_id=plan_id,
        name=plan.name,
        project=plan.project,
        state=PlanState.DRAFT,
        frozen_json=json_text(plan.to_json()),
        source_path=plan.source_path,
        source_sha256=plan.source_sha256,
        branch=plan.branch,
        head=plan.head,
        sandbox=plan.sandbox,
        created_at=now,
        updated_at=now,
        description=plan.description,
    )
