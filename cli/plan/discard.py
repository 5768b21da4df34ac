"""``agents plan discard``."""

from __future__ import annotations

from pathlib import Path

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.plan.results import refuse_active
from agentsd.cli.session import find_plan, session
from agentsd.errors import ConflictError, ExitCode
from agentsd.model import PlanState

ALLOWED = frozenset(PlanState) - {PlanState.DISCARDED}


@define("discard", examples="agents plan discard 01JABCDE")
@click.argument("plan")
def command(plan: str) -> ExitCode:
    """Give PLAN up: its sandboxes and its result go; the project stays as it is.

    Works when the project or the sandbox is gone already.
    """
    from agentsd.plans.upkeep import discard  # noqa: PLC0415 - knows git
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    with session() as client:
        row = plans.get(client.db, find_plan(client, plan))
        refuse_active(client, row)

        def settle() -> None:
            if row.state is not PlanState.DISCARDED:
                plans.set_state(client.db, row.plan_id, PlanState.DISCARDED, ALLOWED)

        report = discard(client.state.root, row.plan_id, Path(row.project), settle=settle)
        if row.state is PlanState.DISCARDED and not any(report.values()):
            raise ConflictError(f"Plan {row.plan_id} is discarded already.")
    return current_output().result(
        {"plan_id": row.plan_id, **report}, lambda: [f"Plan {row.plan_id} is discarded."]
    )
