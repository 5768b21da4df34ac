"""Which jobs a cancel would hit when they are chosen by what they are, and showing that beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from agentsd.cli.framework import current_output
from agentsd.cli.output import table
from agentsd.cli.session import find_plan
from agentsd.cli.shapes import job_item
from agentsd.cli.words import ago, count, state_style
from agentsd.errors import ExitCode
from agentsd.model import ACTIVE_STATUSES, AsyncJob

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

HEADINGS = ("JOB", "PHASE", "STATUS", "AGE", "PROCESSES")


def chosen(client: Client, status: str | None, plan: str | None, phase: str | None) -> list[str]:
    """Ids of the active jobs that fit all that is given. Those that wait come first, so that none begins meanwhile."""
    from agentsd.store import jobs  # noqa: PLC0415 - loaded with the client

    plan_id = None if plan is None else find_plan(client, plan)
    found = jobs.list_jobs(
        client.db, statuses=ACTIVE_STATUSES if status is None else [status], plan_id=plan_id, phase=phase
    )
    return [job.job_id for job in sorted(found, key=lambda job: job.status)]


def show_targets(client: Client, ids: Sequence[str]) -> ExitCode:
    """List the jobs and the processes that a cancel of *ids* would end; change nothing."""
    found = [(job, processes_of(job)) for job in map(client.get, ids) if not job.status.is_terminal]
    output = current_output()
    closing = "There are no such jobs."
    if found:
        ended = count(sum(len(pids) for _, pids in found), "process", "processes")
        closing = f"A cancel would end {count(len(found), 'job')} and {ended}."
    items = [{**job_item(job), "processes": pids} for job, pids in found]
    return output.result(
        {"jobs": items}, lambda: _lines(found) if found else [], items=items, closing=closing
    )


def processes_of(job: AsyncJob) -> list[int]:
    """The pids of a running job's tree on this host, its own first; none if it cannot be seen from here."""
    from agentsd.workers.process import descendants, start_ticks  # noqa: PLC0415 - loaded with the client

    if job.pid is None or start_ticks(job.pid) != job.pid_start:
        return []
    return [job.pid, *sorted(descendants(job.pid))]


def _lines(found: Sequence[tuple[AsyncJob, list[int]]]) -> Iterable[str]:
    rows = [
        (job.job_id, job.phase, job.status, ago(job.created_at), " ".join(map(str, pids)) or "-")
        for job, pids in found
    ]
    return table(HEADINGS, rows, right=("AGE",), give=("PROCESSES", "PHASE", "JOB"), style=state_style)
