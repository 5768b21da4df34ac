"""``agents job explain``: what became of a job, in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.job.reach import Member, is_over, tree_of, unkillable, what_a_cancel_hits, what_is_left
from agentsd.cli.job.waiting import paused, why_waiting
from agentsd.cli.output import printable, wrapped
from agentsd.cli.progress import steps_of
from agentsd.cli.session import find_job, session
from agentsd.cli.shapes import progress_of
from agentsd.cli.words import ago, count, seconds_between, took
from agentsd.cli.worker.health import abandoned
from agentsd.errors import ExitCode
from agentsd.model import AsyncJob, AsyncJobStatus, JobEvent, Reason
from agentsd.store.logs import last_text
from agentsd.store.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

MEANINGS = {
    Reason.COMPLETED: "It did its work.",
    Reason.HANDLER_ERROR: "Its code raised an error.",
    Reason.STEP_FAILED: "A step of its plan failed.",
    Reason.EXITED: "Its process ended without a result.",
    Reason.SIGNALLED: "Its process was ended by a signal that agentsd did not send.",
    Reason.OUT_OF_MEMORY: "The kernel killed it because memory ran out.",
    Reason.TIMEOUT: "It took longer than it was allowed to.",
    Reason.STUCK: "Its worker was silent for too long, so another one ended the job.",
    Reason.WORKER_LOST: "Its worker died.",
    Reason.INTERRUPTED: "Its worker was stopped before it was done.",
    Reason.SPAWN_FAILED: "No process could be started for it.",
    Reason.BAD_PAYLOAD: "Its payload or its plan cannot be read, or no phase of that name is installed.",
    Reason.CONFLICT: "Its changes do not fit the project; nothing was written.",
    Reason.OUTPUT_LIMIT: "It wrote more output than async.log_limit allows.",
    Reason.CANCELLED: "Somebody cancelled it.",
    Reason.CANCELLED_BEFORE_START: "Somebody cancelled it before it began.",
    Reason.DEPENDENCY_FAILED: "A job that it was to follow did not succeed.",
}

OWN_WORDS = frozenset({Reason.HANDLER_ERROR, Reason.STEP_FAILED, Reason.BAD_PAYLOAD, Reason.CONFLICT})
"""Reasons whose error is in the words of what failed; that of any other says by itself what happened."""


@define("explain", examples="agents job explain 01JABCDE")
@click.argument("job")
def command(job: str) -> ExitCode:
    """Say in words where JOB stands or how it ended: what, when, who, why, and what to do."""
    with session() as client:
        found = client.get(find_job(client, job))
        tree = tree_of(client, found) if found.status is AsyncJobStatus.RUNNING else []
        sentences = [*explain(client, found, tree)]
        following = [*_what_next(client, found)]
        last = last_text(client.state.job_logs(found.job_id), 5)
    if last and found.status in (AsyncJobStatus.FAILED, AsyncJobStatus.CANCELLED):
        sentences += ["Its last output was:", *(f"    {line}" for line in last)]
    sentences += following
    data = {
        "job_id": found.job_id,
        "status": found.status,
        "reason": found.reason,
        "explanation": sentences,
        "processes": [member.to_json() for member in tree],
    }
    return current_output().result(data, lambda: wrapped(_harmless(sentences)))


def _harmless(sentences: Iterable[str]) -> Iterable[str]:
    """What others worded, such as an error, or a job's output: as lines that cannot steer the terminal."""
    return (printable(line.expandtabs()) for each in sentences for line in each.splitlines())


def explain(client: Client, job: AsyncJob, tree: Iterable[Member] = ()) -> Iterable[str]:
    """Sentences about one job."""
    what = f"the {job.phase} of plan {job.plan_id}" if job.plan_id != job.job_id else f"of phase {job.phase}"
    yield f"Job {job.job_id} is {what}, attempt {job.attempt}, queued {ago(job.created_at)} ago."
    if job.retry_of:
        yield f"It follows job {job.retry_of}."
    if job.status is AsyncJobStatus.QUEUED:
        yield from why_waiting(client, job)
    elif job.status is AsyncJobStatus.RUNNING:
        yield from _running(client, job, tree)
    else:
        yield from _ended(client, job)


def _running(client: Client, job: AsyncJob, tree: Iterable[Member]) -> Iterable[str]:
    gone = bool(abandoned(client, [job]))
    yield f"It has been running for {took(job)} in process {job.pid} of worker {job.worker_id}."
    if gone:
        yield "That worker is gone. The next worker to start ends what is left of the job; `agents job cancel` does it now."
    if job.cancel_requested_at:
        why = f" ({job.cancel_reason})" if job.cancel_reason else ""
        yield f"{job.cancel_requested_by} asked to cancel it {ago(job.cancel_requested_at)} ago{why}.{'' if gone else _until_kill(client, job)}"
    if stuck := unkillable(client, job):
        yield f"It cannot end: {stuck}"
    elif not gone and is_over(client, job):
        yield "Its process has ended, and its worker has yet to write how: it is stopped, or the store cannot be written."
    for worker in client.live_workers():
        if worker.worker_id == job.worker_id:
            yield from paused(client, worker)
    yield from left_behind(job)
    yield from what_is_left(tree) if job.cancel_requested_at else what_a_cancel_hits(tree)


def _until_kill(client: Client, job: AsyncJob) -> str:
    grace = client.settings.cancel_grace
    left = grace - seconds_between(str(job.cancel_requested_at))
    when = f"in {format_seconds(round(left))}" if left > 0 else "now"
    return f" What has not ended after {format_seconds(grace)} (async.cancel_grace) is killed, {when}."


def _ended(client: Client, job: AsyncJob) -> Iterable[str]:
    assert job.reason is not None  # noqa: S101 - the database has no terminal row without one
    ran = f" after running for {took(job)}" if job.started_at else ""
    meaning = "" if job.error and job.reason not in OWN_WORDS else f" {MEANINGS[job.reason]}"
    yield f"It ended {job.status} ({job.reason}) {ago(job.finished_at)} ago{ran}.{meaning}"
    if job.error:
        yield job.error
    elif job.cancel_requested_by and job.status is not AsyncJobStatus.CANCELLED:
        yield f"{job.cancel_requested_by} asked to cancel it, but it came to an end by itself."
    elif job.cancel_requested_by:
        why = f", because: {job.cancel_reason}" if job.cancel_reason else ", without giving a reason"
        yield f"It was {job.cancel_requested_by} who cancelled it{why}."
    for event in client.events(job.job_id):
        yield from _ladder(event)
    yield from left_behind(job)
    if job.user_s is not None and job.system_s is not None and job.max_rss_bytes is not None:
        yield f"It used {format_seconds(job.user_s + job.system_s)} of CPU and at most {format_bytes(job.max_rss_bytes)} of memory."
    following = _successor(client, job)
    if following is not None:
        yield f"Job {following.job_id} followed it; that one is {following.status}."


def left_behind(job: AsyncJob) -> Iterable[str]:
    """Sentences on processes that outlived the steps that started them."""
    for step in steps_of(progress_of(job)):
        number = step.get("survivors")
        if isinstance(number, int) and number:
            were = "it was" if number == 1 else "they were"
            yield f"Step {step.get('name')} left {count(number, 'process', 'processes')} behind; {were} ended with it."


def _what_next(client: Client, job: AsyncJob) -> Iterable[str]:
    """Which command goes on from a job that did not succeed and that no other followed."""
    if job.status not in (AsyncJobStatus.FAILED, AsyncJobStatus.CANCELLED) or _successor(client, job):
        return
    if job.plan_id != job.job_id:
        yield f"What can be done now: agents plan status {job.plan_id}"
    else:
        yield f"To run it again: agents job retry {job.job_id}"


def _ladder(event: JobEvent) -> Iterable[str]:
    """What was done to end it, stage by stage, and where it hung."""
    stages = cast("list[dict[str, str]]", event.detail.get("ladder", []))
    if stages:
        yield "To end it: " + ", ".join(f"{stage['stage']} at {stage['at']}" for stage in stages) + "."
    if stack := event.detail.get("stack"):
        yield "Its stack was, the innermost call first:"
        yield from (f"    {line.strip()}" for line in str(stack).splitlines() if line.strip())


def _successor(client: Client, job: AsyncJob) -> AsyncJob | None:
    from agentsd.store import jobs  # noqa: PLC0415 - loaded with the client

    return jobs.successor(client.db, job.job_id)
