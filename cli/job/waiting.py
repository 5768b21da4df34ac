"""Why a job that is queued has not started yet."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import TYPE_CHECKING

from agentsd.cli.job.reach import unkillable
from agentsd.cli.words import ago, count, seconds_between, took
from agentsd.cli.worker.health import seen_workers
from agentsd.model import PAYLOAD_VERSION, AsyncJob, AsyncJobStatus, Worker
from agentsd.store.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

BEATS_MISSED = 3
"""How many heartbeats a worker must have missed until a person is told."""
LONGEST_BEAT = 10.0
"""Seconds between two heartbeats at most, as the workers keep it."""
MOST_NAMED = 4


def why_waiting(client: Client, job: AsyncJob) -> Iterable[str]:
    """Sentences on what a queued job waits for."""
    if job.schema_version > PAYLOAD_VERSION:
        yield (
            f"It waits for a newer worker: its payload has version {job.schema_version}, and this agentsd "
            f"knows {PAYLOAD_VERSION}. Upgrade agentsd where the workers run."
        )
        return
    if job.held_at is not None:
        yield f"{job.held_by} has held it for {ago(job.held_at)}. agents job release {job.job_id} lets it start."
    if job.waits_for is not None:
        awaited = client.get(job.waits_for)
        yield f"It starts when job {awaited.job_id} has succeeded, which is {awaited.status}."
    if job.held_at is None and job.waits_for is None:
        yield from _for_a_slot(client, job)


def _for_a_slot(client: Client, job: AsyncJob) -> Iterable[str]:
    from agentsd.store.listing import jobs_before  # noqa: PLC0415 - loaded with the client

    workers = [row for row, health in seen_workers(client) if health != "dead"]
    if not workers:
        yield "It waits because no worker is running. Start one: agents worker start"
        return
    taking = [worker for worker in workers if worker.state != "draining"]
    before = jobs_before(client.db, job)
    busy, slots = sum(worker.running for worker in workers), sum(worker.max_workers for worker in workers)
    if busy >= slots:
        yield f"It waits for a free slot: {busy} of {slots} are taken, and {count(before, 'job')} of the queue come first."
        yield from _who_runs(client)
    elif taking:
        yield (
            f"It waits for a worker to take it: {busy} of {slots} slots are taken, and {count(before, 'job')} of the "
            "queue come first."
        )
    if not taking:
        yield "Every worker is stopping and takes no more jobs. Start another one: agents worker start"
    for worker in taking:
        yield from paused(client, worker)


def _who_runs(client: Client) -> Iterable[str]:
    running = client.list(statuses=[AsyncJobStatus.RUNNING])[::-1]
    words = [f"{job.job_id} ({job.phase}, for {took(job)})" for job in running[:MOST_NAMED]]
    more = f" and {len(running) - MOST_NAMED} more" if len(running) > MOST_NAMED else ""
    yield f"These run now: {', '.join(words)}{more}."
    for job in running:
        if stuck := unkillable(client, job):
            yield f"The slot of {job.job_id} stays taken: {stuck}"


def paused(client: Client, worker: Worker) -> Iterable[str]:
    """A worker that lives and does not write: stopped, hung, or its store cannot be written."""
    silent = seconds_between(worker.last_heartbeat)
    if silent < BEATS_MISSED * min(worker.ttl / 4, LONGEST_BEAT):
        return
    free = shutil.disk_usage(client.state.root).free
    yield (
        f"Worker {worker.worker_id} (pid {worker.pid} on {worker.host}) has written nothing for {format_seconds(silent)}: it is "
        f"stopped, or it cannot write the store ({format_bytes(free)} are free there) and has paused until it can."
    )
