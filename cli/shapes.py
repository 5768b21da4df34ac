"""The domain objects as the JSON that programs get: every column by its name, and what belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, cast

from agentsd.model import JSON, AsyncJob, JobEvent, PlanRow, Worker

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


def parsed(text: str | None) -> JSON:
    """JSON text as a value; None for none. Text that is no JSON is kept: a row may come from elsewhere."""
    if text is None:
        return None
    import orjson  # noqa: PLC0415 - a plain table does not need it

    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


LARGE = frozenset({"payload_json", "result"})
"""Columns of any size: a list has them only on request."""


def progress_of(job: AsyncJob) -> JSON:
    """The progress of a job. A step that ran when its job died has no end of its own: it is ``lost``.

    What the job told last stays as it is in the store; here a job that has ended shows no step that runs or waits.
    """
    progress = parsed(job.progress)
    if not job.status.is_terminal or not isinstance(progress, dict):
        return progress
    known = cast("dict[str, JSON]", progress)
    steps = known.get("steps")
    if not isinstance(steps, list):
        return known
    return {**known, "steps": [_settled(step, job) for step in cast("list[JSON]", steps)]}


def _settled(step: JSON, job: AsyncJob) -> JSON:
    if not isinstance(step, dict):
        return step
    known = cast("dict[str, JSON]", step)
    match known.get("state"):
        case "running":
            return {**known, "state": "lost", "finished_at": job.finished_at}
        case "waiting":
            return {**known, "state": "skipped"}
        case _:
            return known


def job_item(job: AsyncJob, *, full: bool = False) -> dict[str, JSON]:
    """A job in a list: its columns, ``progress`` as a value; with *full* those of any size, too."""
    item = {each.name: getattr(job, each.name) for each in fields(job) if full or each.name not in LARGE}
    item["progress"] = progress_of(job)
    return item | {"result": parsed(job.result)} if full else item


def job_object(job: AsyncJob, events: Iterable[JobEvent]) -> dict[str, JSON]:
    """One job whole: its columns, ``payload``, ``usage`` and ``events``."""
    envelope = parsed(job.payload_json)
    return {
        **job_item(job, full=True),
        "payload": envelope.get("data") if isinstance(envelope, dict) else envelope,  # pyright: ignore[reportUnknownMemberType]
        "usage": {"user_s": job.user_s, "system_s": job.system_s, "max_rss_bytes": job.max_rss_bytes},
        "events": [event_object(event) for event in events],
    }


def shown_job(client: Client, job: AsyncJob) -> dict[str, JSON]:
    """One job whole, its events fetched."""
    return job_object(job, client.events(job.job_id))


def event_object(event: JobEvent) -> dict[str, JSON]:
    """One event of a job."""
    return {
        "at": event.at,
        "from": event.from_status,
        "to": event.to_status,
        "reason": event.reason,
        "by": event.by,
        "pid": event.pid,
        "worker_id": event.worker_id,
        "detail": dict(event.detail),
    }


def plan_item(plan: PlanRow) -> dict[str, JSON]:
    """A plan in a list: its columns but the frozen text."""
    return {each.name: getattr(plan, each.name) for each in fields(plan) if each.name != "frozen_json"}


def plan_object(plan: PlanRow, jobs: Iterable[AsyncJob]) -> dict[str, JSON]:
    """One plan whole, with its jobs, newest first."""
    return {
        **plan_item(plan),
        "frozen": parsed(plan.frozen_json),
        "jobs": [job_item(job) for job in jobs],
    }


def worker_item(worker: Worker, health: str) -> dict[str, JSON]:
    """A worker: its columns, and how it is as far as can be seen from here."""
    return {each.name: getattr(worker, each.name) for each in fields(worker)} | {"health": health}
