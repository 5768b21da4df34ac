"""What holds the processes of jobs together: a control group, or the subreaper, and why."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from agentsd.cli.checks.finding import ERROR, OK, WARNING, Finding
from agentsd.cli.job.reach import unkillable
from agentsd.cli.words import count
from agentsd.model import AsyncJobStatus, Worker
from agentsd.store import workers
from agentsd.supervisor.containment import HOW_TO_DELEGATE
from agentsd.supervisor.remnants import identity_of
from agentsd.supervisor.takeover import is_dead
from agentsd.workers.cgroup import NoGroupError, processes_in
from agentsd.workers.delegation import find_worker_groups, usable_group
from agentsd.workers.leftover_groups import find_groups

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

SUBREAPER = "subreaper and parent-death signal"


def check_containment(rows: Iterable[Worker], wanted: str) -> Iterable[Finding]:
    """What each worker of this host uses; without one, what a worker that is started here would use.

    *wanted* is ``async.containment``.
    """
    if sys.platform != "linux":
        yield Finding("containment", WARNING, "process groups only: daemons can escape on this system")
        return
    if not hasattr(os, "pidfd_open"):
        yield Finding("containment", WARNING, f"{SUBREAPER}, without pidfd")
        return
    here = [worker for worker in rows if identity_of(worker).is_here() and identity_of(worker).is_alive()]
    for worker in here:
        yield Finding("containment", OK, f"worker {worker.worker_id}: {_used_by(worker)}")
    if not here:
        yield Finding("containment", OK, f"a worker started here: {_usable(wanted)}")


def _used_by(worker: Worker) -> str:
    groups = find_worker_groups(worker.worker_id)
    if groups:
        return f"control group {groups[0]}, and {SUBREAPER}"
    return f"{SUBREAPER}; no control group, because {_why_not(worker.pid)}"


def _why_not(pid: int) -> str:
    try:
        usable_group(pid)
    except NoGroupError as problem:
        return f"{problem}. To have one: {HOW_TO_DELEGATE}"
    return "async.containment was subreaper when it was started"


def _usable(wanted: str) -> str:
    if wanted == "subreaper":
        return f"{SUBREAPER}; no control group, because async.containment is subreaper"
    try:
        return f"a control group below {usable_group()}, and {SUBREAPER}"
    except NoGroupError as problem:
        return f"{SUBREAPER}; no control group, because {problem}. To have one: {HOW_TO_DELEGATE}"


def abandoned_groups(client: Client) -> list[Path]:
    """Control groups of workers of this store that were killed, with nothing in them. Nobody is left to remove them."""
    dead = [row.worker_id for row in workers.list_workers(client.db, include_ended=True) if is_dead(row)]
    return [group for group in find_groups(dead) if not processes_in(group)]


def check_groups(client: Client) -> Iterable[Finding]:
    """Whether killed workers have left control groups."""
    if left := abandoned_groups(client):
        text = f"{count(len(left), 'control group')} of killed workers {'is' if len(left) == 1 else 'are'} left: agents cleanup"
        yield Finding("containment", WARNING, text)


def check_unkillable(client: Client) -> Iterable[Finding]:
    """Processes of running jobs that KILL did not end; their slots stay taken until they do."""
    for job in client.list(statuses=[AsyncJobStatus.RUNNING]):
        if stuck := unkillable(client, job):
            yield Finding("unkillable", ERROR, f"Job {job.job_id} keeps its slot: {stuck}")
