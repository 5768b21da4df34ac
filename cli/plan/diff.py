"""``agents plan diff``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import has_color, write_bytes
from agentsd.cli.pager import show_paged
from agentsd.cli.plan.results import change_words, find_change
from agentsd.cli.session import find_plan, session
from agentsd.errors import ConflictError, ExitCode
from agentsd.model import PlanState


@define(
    "diff",
    examples="""agents plan diff 01JABCDE
    agents plan diff --stat 01JABCDE
    agents plan diff --names 01JABCDE
    agents plan diff 01JABCDE | git apply --check""",
)
@click.argument("plan")
@click.option("--stat", "form", flag_value="stat", help="Only the files, and how much changed in each.")
@click.option(
    "--names", "form", flag_value="names", help="Only the files, and what became of each: A, M, D, R or T."
)
@click.option("--no-pager", is_flag=True, help="Write it to the terminal at once.")
def command(plan: str, form: str | None, no_pager: bool) -> ExitCode:
    """Show what PLAN changed, as a patch that `git apply` takes.

    That is the result of its latest success; without one, what its latest attempt had done when it ended. On a
    terminal it is coloured and paged, by the pager that git would use.
    """
    from agentsd.plans.changes import diff_text  # noqa: PLC0415 - knows git
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    output = current_output()
    with session() as client:
        row = plans.get(client.db, find_plan(client, plan))
        change = find_change(client, row)
        root = client.state.root
    result = change.result
    if row.state is PlanState.DISCARDED:
        raise ConflictError(f"Plan {row.plan_id} is discarded: its change is gone.")
    if result.get("base") is None:
        raise ConflictError(
            f"Plan {row.plan_id} ran in the project itself (sandbox: none): there is no diff."
        )
    if result.get("result") is None:
        why = result.get("capture_error") or "the sandbox is gone."
        raise ConflictError(
            f"Plan {row.plan_id} has no diff, because its changes could not be captured: {why}"
        )
    if change.is_partial:
        output.warn("This plan has not succeeded: these are the partial changes of its latest attempt.")
    color = output.is_table and has_color()
    text = diff_text(
        Path(row.project),
        result["base"],
        result["result"],
        state_root=root,
        form=form or "patch",
        color=color,
    )
    if output.is_table:
        show = write_bytes if no_pager else partial(show_paged, project=Path(row.project))
        show(text)
        if not text:
            output.info(f"Changed: {change_words(result)}.")
        return ExitCode.OK
    data = {"plan_id": row.plan_id, "job_id": change.job_id, **result, "diff": text.decode(errors="replace")}
    return output.result(data, list)
