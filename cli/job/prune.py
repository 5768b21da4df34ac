"""``agents job prune``."""

from __future__ import annotations

import click

from agentsd.cli.framework import Seconds, current_output, define
from agentsd.cli.session import session
from agentsd.cli.words import count
from agentsd.errors import ExitCode


@define(
    "prune",
    examples="""agents job prune --dry-run
    agents job prune --older-than "1 d" """,
)
@click.option("--older-than", type=Seconds(), help="Since they ended [default: async.retention].")
@click.option("--dry-run", is_flag=True, help="Only say which jobs would go.")
def command(older_than: float | None, dry_run: bool) -> ExitCode:
    """Delete jobs that ended long ago, with their events and logs.

    The latest successful execute of a plan that is not applied stays, however old it is.
    """
    from agentsd.store import retention  # noqa: PLC0415 - only this command deletes

    with session() as client:
        before = retention.cutoff(client.settings.retention if older_than is None else older_than)
        gone = retention.expired(client.db, before)
        number = len(gone) if dry_run else retention.prune(client.db, before)
    data = {"jobs": number, "dry_run": dry_run, "before": before, "job_ids": gone}
    verb = "would be deleted" if dry_run else "deleted"
    return current_output().result(
        data, lambda: [*(gone if dry_run else ()), f"{count(number, 'job')} {verb}"]
    )
