"""``agents cleanup``."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import printable
from agentsd.cli.session import session
from agentsd.cli.words import count
from agentsd.errors import ExitCode
from agentsd.model import JSON


@define("cleanup", examples="agents cleanup --dry-run\nagents cleanup")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def command(dry_run: bool) -> ExitCode:
    """Remove what nothing needs any more: sandboxes of finished plans, logs of deleted jobs, remains of killed processes.

    Among those are the control groups of workers that were killed. Work in a sandbox that was not captured is captured
    first. What is in use, and what no record describes, is named and left alone.
    """
    from agentsd.cli.checks.containment import abandoned_groups  # noqa: PLC0415 - loaded with the store
    from agentsd.cli.checks.storage import plan_facts, stray_logs  # noqa: PLC0415
    from agentsd.plans.upkeep import FOREIGN, cleanup, survey  # noqa: PLC0415 - knows git
    from agentsd.workers.cgroup import remove  # noqa: PLC0415

    with session() as client:
        root, facts = client.state.root, plan_facts(client)
        items = [finding.to_json() for finding in cleanup(root, facts, dry_run=dry_run)]
        rest = [finding for finding in survey(root, facts) if not finding.removable]
        unknown = [finding.to_json() for finding in rest if finding.kind in FOREIGN]
        needed = [finding.to_json() for finding in rest if finding.kind not in FOREIGN]
        for job_id in stray_logs(client):
            path = client.state.job_logs(job_id)
            if not dry_run:
                shutil.rmtree(path, ignore_errors=True)
            detail = "the store knows no such job"
            items.append({"kind": "logs", "path": str(path), "detail": detail, "removable": True})
        for group in abandoned_groups(client):
            if not dry_run:
                remove(group)
            gone = dry_run or not group.exists()
            detail = "its worker was killed"
            items.append({"kind": "control group", "path": str(group), "detail": detail, "removable": gone})
    resisted = [item for item in items if not item["removable"]]
    data = {"removed": items, "unknown": unknown, "needed": needed, "dry_run": dry_run}
    code = ExitCode.ERROR if resisted else ExitCode.OK
    return current_output().result(data, lambda: _lines(items, [*unknown, *needed], dry_run), exit_code=code)


def _lines(items: list[dict[str, JSON]], rest: list[dict[str, JSON]], dry_run: bool) -> Iterable[str]:
    for item in items:
        yield printable(f"{_verb(item, dry_run):<12} {item['path']} ({item['kind']}: {item['detail']})")
    for item in rest:
        yield printable(f"{'left alone':<12} {item['path']} ({item['kind']}: {item['detail']})")
    gone = sum(bool(item["removable"]) for item in items)
    yield f"{count(gone, 'thing')} {'would be removed' if dry_run else 'removed'}"


def _verb(item: Mapping[str, JSON], dry_run: bool) -> str:
    if not item["removable"]:
        return "resists"
    return "would remove" if dry_run else "removed"
