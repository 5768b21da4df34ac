"""``agents job list``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from agentsd.cli.framework import Since, current_output, define
from agentsd.cli.output import Output, table
from agentsd.cli.session import find_plan, find_worker, session
from agentsd.cli.shapes import job_item
from agentsd.cli.watch import draw_again, watch_option
from agentsd.cli.words import ago, state_style, took, why
from agentsd.cli.worker.health import abandoned
from agentsd.errors import ExitCode
from agentsd.model import JSON, AsyncJob, AsyncJobStatus

if TYPE_CHECKING:
    from agentsd.store.listing import JobFilter
    from agentsd.supervisor.client import Client

SHOWN = 50
"""Jobs in a table unless ``--limit`` says otherwise."""
GIVE = (("REASON", 17), "JOB", "PHASE", "REASON")
"""What is shortened first is the id of the job that another one waits for."""
HEADINGS = ("JOB", "PHASE", "STATUS", "REASON", "PRIO", "AGE", "TOOK")


@define(
    "list",
    examples="""agents job list
    agents job list --status running --status queued --watch
    agents job list --plan 01JABCDE --limit 5
    agents job list --phase resize --since "2 h"
    agents job list --format jsonl | jq -r .job_id""",
)
@click.option(
    "--status",
    multiple=True,
    type=click.Choice([each.value for each in AsyncJobStatus]),
    help="Only these; repeatable.",
)
@click.option("--plan", help="Only jobs of this plan.")
@click.option("--phase", multiple=True, help="Only jobs of this phase; repeatable.")
@click.option("--worker", help="Only jobs that this worker took.")
@click.option("--since", type=Since(), help="Only jobs queued since then: a time, or how long ago.")
@click.option(
    "--limit", type=click.IntRange(0, 2**31), help=f"At most so many; 0: all [default: {SHOWN} in a table]."
)
@click.option("--full", is_flag=True, help="For programs: payloads and results, too, of whatever size.")
@watch_option()
def command(
    status: tuple[str, ...],
    plan: str | None,
    phase: tuple[str, ...],
    worker: str | None,
    since: str | None,
    limit: int | None,
    full: bool,
    watch: bool,
) -> ExitCode:
    """List jobs, newest first; every option that is given has to fit.

    For programs the items are all columns but the payload and the result, which may be large: --full has them,
    and so has `agents job show`. With the format jsonl, lines come as they are read, however many there are.
    """
    from agentsd.store.listing import JobFilter  # noqa: PLC0415 - loaded with the client

    with session() as client:
        which = JobFilter(
            statuses=status,
            phases=phase,
            plan_id=None if plan is None else find_plan(client, plan),
            worker_id=None if worker is None else find_worker(client, worker),
            since=since,
        )
        return _show(client, which, current_output(), limit=limit, full=full, again=watch)


def _show(
    client: Client, which: JobFilter, output: Output, *, limit: int | None, full: bool, again: bool
) -> ExitCode:
    from agentsd.store import jobs  # noqa: PLC0415 - loaded with the client

    if output.is_table or again:
        return _show_table(client, which, output, limit=limit, again=again)
    items = _items(client, which, limit or None, full=full)
    if output.form == "jsonl":
        return output.result(None, list, items=items)
    return output.result({"jobs": list(items), "summary": jobs.counts(client.db)}, list)


def _items(client: Client, which: JobFilter, limit: int | None, *, full: bool) -> Iterator[dict[str, JSON]]:
    from agentsd.store.listing import walk_jobs  # noqa: PLC0415 - loaded with the client

    return (job_item(job, full=full) for job in walk_jobs(client.db, which, limit=limit, full=full))


def _show_table(
    client: Client, which: JobFilter, output: Output, *, limit: int | None, again: bool
) -> ExitCode:
    most = (SHOWN if limit is None else limit) or None
    if again:
        return draw_again(output, lambda: [_counts(client), "", *_page(client, which, most)[0]])
    lines, more = _page(client, which, most)
    closing = "" if lines else "There are no such jobs."
    if limit is None and more:
        closing = f"The newest {most} are shown; --limit 0 shows all. In the store: {_counts(client)}."
    return output.result(None, lambda: lines, closing=closing)


def _page(client: Client, which: JobFilter, most: int | None) -> tuple[list[str], bool]:
    """The table, without a line where there are no such jobs; and whether there are more than *most*."""
    from agentsd.store.listing import walk_jobs  # noqa: PLC0415 - loaded with the client

    # One more than is shown, to know whether there are more.
    found = list(walk_jobs(client.db, which, limit=most and most + 1))
    if not found:
        return [], False
    return list(_lines(client, found[:most])), most is not None and len(found) > most


def _counts(client: Client) -> str:
    from agentsd.store import jobs  # noqa: PLC0415 - loaded with the client

    return ", ".join(f"{number} {status}" for status, number in jobs.counts(client.db).items())


def _lines(client: Client, jobs: list[AsyncJob]) -> Iterable[str]:
    left = abandoned(client, jobs)
    # A queue that nobody has steered has no column of zeros.
    steered = any(job.priority for job in jobs)
    headings = [name for name in HEADINGS if steered or name != "PRIO"]
    rows = [
        (
            *(job.job_id, job.phase, job.status, why(job, abandoned=job.job_id in left)),
            *([str(job.priority)] if steered else []),
            *(ago(job.created_at), took(job)),
        )
        for job in jobs
    ]
    return table(headings, rows, right=("PRIO", "AGE", "TOOK"), give=GIVE, style=state_style)
