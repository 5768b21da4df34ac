"""``agents job show``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import json_text, paint, pairs, printable, width, wrapped
from agentsd.cli.plan.results import change_words
from agentsd.cli.progress import step_lines, steps_of
from agentsd.cli.session import find_job, session
from agentsd.cli.shapes import job_object, parsed, progress_of
from agentsd.cli.words import ago, fact_style, seconds_between, took, why
from agentsd.cli.worker.health import abandoned
from agentsd.errors import ExitCode
from agentsd.model import JSON, PLAN_PHASES, AsyncJob, JobEvent
from agentsd.store.logs import last_text
from agentsd.store.units import format_bytes, format_seconds

LAST_LINES = 10
RESULT_LINES = 20
MARGIN = 2 + len("00:00:00.000Z") + 2 + 9 + 2
"""Columns before what an event says: when it was, and how long after the beginning."""
SAID_ELSEWHERE = frozenset({"ladder", "last_lines", "stack", "requested", "error", "exit_code", "signal"})
"""Details of events that the rest of the page shows."""


@define("show", examples="agents job show 01JABCDE\nagents job show 01JABCDE --format json | jq .data.result")
@click.argument("job")
def command(job: str) -> ExitCode:
    """Show everything that is known about JOB: its state, its history, what it used, its last output."""
    with session() as client:
        found = client.get(find_job(client, job))
        events = client.events(found.job_id)
        last = last_text(client.state.job_logs(found.job_id), LAST_LINES)
        reason = why(found, abandoned=bool(abandoned(client, [found])))
    return current_output().result(job_object(found, events), lambda: describe(found, reason, events, last))


def describe(job: AsyncJob, reason: str, events: Iterable[JobEvent], last: list[str]) -> Iterable[str]:
    """Lines about one job. *reason*: why it is in its state."""
    yield from pairs(_facts(job, reason), style=fact_style)
    steps = step_lines(progress_of(job))
    if steps:
        yield from ("", paint("Steps", "bold"), *steps)
    if job.result is not None:
        yield from ("", paint("Result", "bold"), *_result(job))
    yield from ("", paint("History", "bold"))
    for event in events:
        yield from event_lines(event, job.created_at)
    if last:
        yield from ("", paint("Last output", "bold"), *(f"  {line}" for line in last))


def _result(job: AsyncJob) -> Iterable[str]:
    """The result as JSON, as much of it as leaves the rest in sight; of a plan only what it changed."""
    result = parsed(job.result)
    if job.phase in PLAN_PHASES and isinstance(result, dict) and "files" in result:
        yield f"  changed: {change_words(result)}"  # pyright: ignore[reportUnknownArgumentType]
        return
    lines = json_text(result, indent=True).splitlines()
    yield from lines[:RESULT_LINES]
    if len(lines) > RESULT_LINES:
        yield f"… {len(lines) - RESULT_LINES} more lines: agents job show {job.job_id} --format json"


def _facts(job: AsyncJob, reason: str) -> Iterable[tuple[str, str]]:
    yield "job", job.job_id
    yield "status", job.status + (f" ({reason})" if reason else "")
    yield "error", job.error or ""
    yield "phase", job.phase
    yield "plan", job.plan_id if job.plan_id != job.job_id else ""
    yield "attempt", f"{job.attempt}" + (f", retry of {job.retry_of}" if job.retry_of else "")
    yield "queued", f"{job.created_at} ({ago(job.created_at)} ago)"
    yield "started", job.started_at or ""
    yield "finished", job.finished_at or ""
    yield "took", took(job) if job.started_at else ""
    yield "timeout", format_seconds(job.timeout) if job.timeout else ""
    yield "priority", str(job.priority) if job.priority else ""
    yield "worker", job.worker_id or ""
    yield "process", str(job.pid) if job.pid and not job.status.is_terminal else ""
    yield "exit code", str(job.exit_code) if job.exit_code is not None else ""
    yield "signal", job.signal or ""
    if job.user_s is not None and job.system_s is not None:
        yield "CPU", f"{job.user_s:.2f} s user, {job.system_s:.2f} s system"
    yield "memory", f"{format_bytes(job.max_rss_bytes)} at most" if job.max_rss_bytes else ""
    if job.cancel_requested_at:
        yield "cancel", f"requested at {job.cancel_requested_at} by {job.cancel_requested_by}"
        yield "because", job.cancel_reason or ""
    yield "payload", json_text(_data(job)) if _data(job) is not None else ""
    yield "progress", "" if steps_of(parsed(job.progress)) else job.progress or ""


def _data(job: AsyncJob) -> object:
    envelope = parsed(job.payload_json)
    return envelope.get("data") if isinstance(envelope, dict) else envelope  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def event_lines(event: JobEvent, begin: str) -> Iterable[str]:
    """Lines about one event: when, how long after *begin*, what, why, who, and the details.

    What was done to end a job stands before its end, as it came before.
    """
    yield from _ladder(begin, event.detail.get("ladder"))
    reason = f" ({event.reason})" if event.reason else ""
    move = event.to_status or event.from_status or ""
    if event.from_status == event.to_status:
        move = str(event.detail.get("requested", event.detail.get("event", "noted")))
    what, *more = wrapped([f"{move}{reason}  by {event.by}, pid {event.pid}"], width() - MARGIN)
    yield f"  {paint(_clock(event.at), 'dim')}  {_after(begin, event.at)}  {what}"
    yield from (" " * MARGIN + line for line in more)
    for name, value in event.detail.items():
        if name not in SAID_ELSEWHERE and value is not None:
            text = printable(value if isinstance(value, str) else json_text(value))
            yield from wrapped([f"      {name}: {text}"])


def _ladder(begin: str, stages: JSON) -> Iterable[str]:
    """What was done to end the job, a line for each stage."""
    for stage in cast("list[dict[str, JSON]]", stages if isinstance(stages, list) else []):
        at = str(stage.get("at", ""))
        yield f"  {paint(_clock(at), 'dim')}  {_after(begin, at)}    {stage.get('stage')}"


def _clock(at: str) -> str:
    """The time of day of an RFC 3339 time, in UTC; the date stands above the history."""
    return f"{at[11:23]}Z"


def _after(begin: str, at: str) -> str:
    """How long after *begin* a time is, in a column of its own."""
    try:
        return f"+{format_seconds(round(seconds_between(begin, at), 3))}".rjust(9)
    except ValueError:  # a row that somebody else wrote
        return " " * 9
