"""``agents plan apply``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import printable
from agentsd.cli.plan.conflicts import what_next
from agentsd.cli.plan.results import change_words, refuse_active, unkept_words
from agentsd.cli.plan.running import run_phase
from agentsd.cli.session import find_plan, session
from agentsd.cli.shapes import parsed
from agentsd.errors import ApplyConflictError, ConflictError, ExitCode
from agentsd.model import JSON, PLAN_STATES_BEFORE, Phase


@define("apply", examples="agents plan apply --check 01JABCDE\nagents plan apply 01JABCDE")
@click.argument("plan")
@click.option("--check", is_flag=True, help="Only say whether it fits and what would be written.")
@click.option(
    "--onto-current", is_flag=True, help="Although another branch is checked out than when PLAN was created."
)
@click.option(
    "--as-captured", is_flag=True, help="Although its sandbox was edited since; those edits stay there."
)
def command(plan: str, check: bool, onto_current: bool, as_captured: bool) -> ExitCode:
    """Merge the changes of PLAN into the project: wholly or, if they conflict, not at all.

    Index, stash and HEAD stay as they are; so does what you have changed meanwhile. After a crash, apply
    again finishes it and revert undoes it. With async.enabled a worker does it, as with execute.
    """
    if check:
        return _check(plan, onto_current=onto_current, as_captured=as_captured)
    flags = {"onto_current": onto_current, "as_captured": as_captured}
    return run_phase(plan, Phase.APPLY, {name: True for name, given in flags.items() if given} or None)


def _check(ident: str, *, onto_current: bool, as_captured: bool) -> ExitCode:
    from agentsd.plans.apply import check  # noqa: PLC0415 - knows git
    from agentsd.plans.frozen import FrozenPlan  # noqa: PLC0415
    from agentsd.plans.preparation import ApplyRequest  # noqa: PLC0415
    from agentsd.store import jobs, plans  # noqa: PLC0415 - loaded with the client

    with session() as client:
        row = plans.get(client.db, find_plan(client, ident))
        refuse_active(client, row)
        if row.state not in PLAN_STATES_BEFORE[Phase.APPLY]:
            raise ConflictError(
                f"Plan {row.plan_id} is {row.state}: only one that is applying or ready can be applied."
            )
        latest = jobs.latest_result(client.db, row.plan_id)
        request = ApplyRequest(
            plan_id=row.plan_id,
            plan=FrozenPlan.from_json(parsed(row.frozen_json)),
            result=parsed(latest.result) if latest else None,
            onto_current=onto_current,
            as_captured=as_captured,
        )
        try:
            report = check(client.state.root, request)
        except ApplyConflictError as error:
            for line in what_next(row.plan_id, error.conflicts):
                current_output().info(line)
            raise
    return current_output().result({"plan_id": row.plan_id, **report}, lambda: _lines(report))


def _lines(report: Mapping[str, JSON]) -> Iterable[str]:
    for file in report["files"]:
        yield f"{file['status']:<9} {printable(file['path'])}"
    if words := unkept_words(report):
        yield words
    yield f"It fits: {change_words(report)} would be written."
