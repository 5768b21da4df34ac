"""``agents plan revert``."""

from __future__ import annotations

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.plan.results import refuse_active
from agentsd.cli.session import find_plan, session
from agentsd.cli.words import count
from agentsd.errors import ExitCode
from agentsd.model import PlanState


@define("revert", examples="agents plan revert 01JABCDE")
@click.argument("plan")
def command(plan: str) -> ExitCode:
    """Undo the apply of PLAN: every file that it wrote is as it was before; then the plan is ready again.

    Exits with 4, and writes nothing, if one of those files was changed since.
    """
    from agentsd.plans.revert import revert  # noqa: PLC0415 - knows git
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    with session() as client:
        row = plans.get(client.db, find_plan(client, plan))
        refuse_active(client, row)
        report = revert(client.state.root, row.plan_id)
        plans.set_state(client.db, row.plan_id, PlanState.READY, {PlanState.APPLIED, PlanState.APPLYING})
    said = f"{count(len(report['files']), 'file')} put back; plan {row.plan_id} is ready again."
    return current_output().result({"plan_id": row.plan_id, **report}, lambda: [said])
