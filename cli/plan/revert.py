"""``agents plan revert``."""

from __future__ import annotations

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.plan.results import refuse_active
from agentsd.cli.progress import ProgressLine
from agentsd.cli.session import find_plan, session
from agentsd.cli.undisturbed import undisturbed
from agentsd.cli.words import count
from agentsd.errors import ApplyConflictError, ExitCode
from agentsd.model import PlanState

BEFORE = frozenset({PlanState.APPLIED, PlanState.APPLYING})


@define("revert", examples="agents plan revert 01JABCDE")
@click.argument("plan")
def command(plan: str) -> ExitCode:
    """Undo the apply of PLAN: every file that it wrote is as it was before; then the plan is ready again.

    Exits with 4, and writes nothing, if one of those files was changed since. Once it writes, it is not
    interrupted by Ctrl-C. Killed or on a full disk, run it again: it goes on.
    """
    from agentsd.plans.revert import revert  # noqa: PLC0415 - knows git
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    output = current_output()
    with session() as client:
        row = plans.get(client.db, find_plan(client, plan))
        refuse_active(client, row)

        def settle() -> None:
            if plans.get(client.db, row.plan_id).state in BEFORE:
                plans.set_state(client.db, row.plan_id, PlanState.READY, BEFORE)

        with ProgressLine(output) as line:
            try:
                report = revert(
                    client.state.root,
                    row.plan_id,
                    settle=settle,
                    shield=undisturbed,
                    on_progress=line.show_count,
                )
            except ApplyConflictError:
                output.info(f"What stood before is kept in git: refs/agents/{row.plan_id}/apply/before")
                raise
    said = f"{count(len(report['files']), 'file')} put back; plan {row.plan_id} is ready again."
    return output.result({"plan_id": row.plan_id, **report}, lambda: [said])
