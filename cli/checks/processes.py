"""Every process of every worker, spawner and job, and those that belong to none any more."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import psutil

from agentsd.cli.checks.finding import ERROR, OK, WARNING, Finding, Seen
from agentsd.cli.words import count
from agentsd.cli.worker.health import seen_workers
from agentsd.model import AsyncJob, AsyncJobStatus, Worker
from agentsd.store import workers
from agentsd.supervisor.takeover import is_dead
from agentsd.workers.cgroup import processes_in
from agentsd.workers.delegation import find_worker_groups
from agentsd.workers.process import MARKER, start_ticks
from agentsd.workers.title import standing_by

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


def check_workers(client: Client) -> tuple[list[tuple[Worker, str]], list[Finding]]:
    """Every worker that has not ended, and how it is."""
    found = seen_workers(client)
    findings = [Finding("workers", OK, count(len(found), "worker"))]
    for row, health in found:
        if health == "dead":
            text = (
                f"Worker {row.worker_id} (pid {row.pid}) is gone. The next worker to start ends what it left."
            )
            findings.append(Finding("workers", ERROR if row.running else WARNING, text))
        elif health == "silent":
            text = f"Worker {row.worker_id} (pid {row.pid} on {row.host}) has been silent for longer than its TTL."
            findings.append(Finding("workers", WARNING, text))
    return found, findings


def list_processes(found: Iterable[Worker], jobs: Iterable[AsyncJob]) -> list[Seen]:
    """The trees of these workers, each process after its parent."""
    leaders = {job.pid: job for job in jobs if job.pid}
    seen: list[Seen] = []
    for worker in found:
        if not is_dead(worker):
            _walk(worker.pid, 0, "worker", {"worker": worker, "job": None, "leaders": leaders}, seen)
    return seen


def _walk(pid: int, depth: int, role: str, place: Mapping[str, Any], seen: list[Seen]) -> None:
    worker, job = place["worker"], place["job"]
    if pid in place["leaders"] and depth:
        role, job = "job", place["leaders"][pid]
    elif pid == worker.spawner_pid:
        role = "spawner"
    elif not job and depth and pid in standing_by(worker.spawner_pid or 0):
        role = "standby"
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            seen.append(_look(process, role, depth, worker, job))
        children = process.children()
    except psutil.NoSuchProcess:
        return
    below = "tool" if job else "helper"
    for child in children:
        _walk(child.pid, depth + 1, below, {**place, "job": job}, seen)


def _look(process: psutil.Process, role: str, depth: int, worker: Worker, job: AsyncJob | None) -> Seen:
    times = process.cpu_times()
    return Seen(
        pid=process.pid,
        parent=process.ppid(),
        role=role,
        depth=depth,
        title=" ".join(process.cmdline()).strip() or process.name(),
        state=process.status(),
        age_s=round(max(0.0, time.time() - process.create_time()), 1),
        cpu_s=round(times.user + times.system, 2),
        rss_bytes=process.memory_info().rss,
        worker_id=worker.worker_id,
        job_id=job.job_id if job else None,
    )


def find_orphans(client: Client, listed: Iterable[Seen]) -> list[Seen]:
    """Processes with the marker, or in the control group, of a worker of this store which is no more."""
    ours = {row.worker_id: row for row in workers.list_workers(client.db, include_ended=True)}
    known = {each.pid for each in listed} | {os.getpid()}
    in_groups = {
        pid: row
        for row in ours.values()
        if row.ended_at is None and is_dead(row)
        for group in find_worker_groups(row.worker_id)
        for pid in processes_in(group)
    }
    orphans: list[Seen] = []
    for process in psutil.process_iter():
        try:
            if process.pid in known or process.uids().real != os.getuid():
                continue
            row = in_groups.get(process.pid) or ours.get(process.environ().get(MARKER, ""))
            if row is not None and is_dead(row) and (start_ticks(process.pid) or 0) >= row.pid_start:
                orphans.append(_look(process, "orphan", 0, row, None))
        except psutil.Error:
            continue
    return orphans


def missing_processes(client: Client, listed: Iterable[Seen]) -> list[str]:
    """Running jobs of a live worker of this host whose process is not there.

    Looked at again before it is said: between its process's end and its row's end a job is such for a moment.
    """
    there = {each.pid for each in listed}
    suspects = [
        job for job in client.list(statuses=[AsyncJobStatus.RUNNING]) if job.pid and job.pid not in there
    ]
    live = {worker.worker_id for worker in client.live_workers() if worker.host == os.uname().nodename}
    if suspects:
        # One look cannot tell an orphan from a process on its way out: what is still there then, is left.
        time.sleep(0.2)
    return [
        f"Job {job.job_id} is running, but its process {job.pid} is not there."
        for job in suspects
        if job.worker_id in live
        and client.get(job.job_id).status is AsyncJobStatus.RUNNING
        and start_ticks(job.pid or 0) != job.pid_start
    ]
