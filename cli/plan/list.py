"""``agents plan list``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from agentsd.cli.framework import Since, current_output, define
from agentsd.cli.output import table
from agentsd.cli.session import session
from agentsd.cli.shapes import plan_item
from agentsd.cli.watch import draw_again, watch_option
from agentsd.cli.words import ago, state_style
from agentsd.errors import ExitCode
from agentsd.model import PlanRow, PlanState

SHOWN = 50
"""Plans in a table unless ``--limit`` says otherwise."""


@define(
    "list",
    examples="""agents plan list
    agents plan list --status executing --watch
    agents plan list --status ready --since "1 d" --format json""",
)
@click.option(
    "--status",
    "--state",
    "state",
    multiple=True,
    type=click.Choice([each.value for each in PlanState]),
    help="Only these; repeatable.",
)
@click.option(
    "--limit", type=click.IntRange(0, 2**31), help=f"At most so many; 0: all [default: {SHOWN} in a table]."
)
@click.option("--since", type=Since(), help="Only plans made since then: a time, or how long ago.")
@watch_option()
def command(state: tuple[str, ...], limit: int | None, since: str | None, watch: bool) -> ExitCode:
    """List plans, newest first."""
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    output = current_output()
    wanted = (SHOWN if output.is_table else 0) if limit is None else limit
    with session() as client:
        if watch:
            most = (SHOWN if limit is None else limit) or None
            return draw_again(
                output,
                lambda: _lines(plans.list_plans(client.db, states=state, since=since, limit=most)),
            )
        found = plans.list_plans(client.db, states=state, since=since, limit=wanted + 1 if wanted else None)
    shown = found[:wanted] if wanted else found
    closing = "" if shown else "There are no such plans. Make one: agents plan create FILE"
    if limit is None and len(found) > len(shown):
        closing = f"The newest {wanted} are shown; --limit 0 shows all."
    items = [] if output.is_table else [plan_item(plan) for plan in shown]
    return output.result(
        {"plans": items}, lambda: _lines(shown) if shown else [], items=items, closing=closing
    )


def _lines(plans: list[PlanRow]) -> Iterable[str]:
    rows = [
        (plan.plan_id, plan.state, plan.name, Path(plan.project).name, ago(plan.updated_at)) for plan in plans
    ]
    headings = ("PLAN", "STATE", "NAME", "PROJECT", "CHANGED")
    return table(headings, rows, right=("CHANGED",), give=("PROJECT", "NAME", "PLAN"), style=state_style)
