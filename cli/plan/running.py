"""Running a phase of a plan: here and now, or by a worker, as ``async.enabled`` says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from agentsd.cli.framework import current_output
from agentsd.cli.output import printable
from agentsd.cli.plan.conflicts import conflicts_of, what_next
from agentsd.cli.plan.source import source_words
from agentsd.cli.progress import ProgressLine, step_lines
from agentsd.cli.session import find_plan, session, warn_without_worker
from agentsd.cli.shapes import parsed, progress_of
from agentsd.cli.words import took
from agentsd.errors import ExitCode
from agentsd.model import JSON, AsyncJob, AsyncJobStatus, Phase, Reason

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


def run_phase(ident: str, phase: Phase, payload: Mapping[str, JSON] | None = None) -> ExitCode:
    """Run *phase* of the plan that *ident* names; with ``async.enabled`` only queue it."""
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    with session() as client:
        plan_id = find_plan(client, ident)
        if words := source_words(plans.get(client.db, plan_id)):
            current_output().warn(words)
        if client.settings.enabled:
            return show_queued(client, client.enqueue_plan(plan_id, phase, payload=payload))
        return run_here(client, plan_id, phase, payload=payload)


def show_queued(client: Client, job: AsyncJob) -> ExitCode:
    """Show a job that was queued; say so if nobody is there to run it."""
    output = current_output()
    warn_without_worker(client, output)
    return output.result({"job_id": job.job_id, "status": job.status}, lambda: [job.job_id])


def run_here(
    client: Client,
    plan_id: str,
    phase: Phase,
    *,
    payload: Mapping[str, JSON] | None = None,
    retried: AsyncJob | None = None,
) -> ExitCode:
    """Run in the foreground, with the progress of the steps on a terminal; Ctrl-C cancels."""
    from agentsd.cli.plan.estimate import expected_seconds  # noqa: PLC0415 - not needed when it is queued
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client
    from agentsd.supervisor.foreground import run_in_foreground  # noqa: PLC0415 - the whole supervisor
    from agentsd.supervisor.outcome import exit_code_for  # noqa: PLC0415

    output = current_output()
    with ProgressLine(output) as line:
        if line.is_shown and phase is Phase.EXECUTE:
            line.expected = expected_seconds(client, plans.get(client.db, plan_id))
        job = run_in_foreground(
            client, plan_id, phase, on_progress=line.show_progress, payload=payload or {}, retried=retried
        )
    for text in _story(job):
        output.info(text)
    code = exit_code_for(job)
    return output.result(
        {"job_id": job.job_id, "status": job.status}, lambda: [f"{job.job_id} {job.status}"], exit_code=code
    )


def _story(job: AsyncJob) -> Iterable[str]:
    """What a person wants to know of a run that has just ended; it goes to stderr."""
    from agentsd.cli.plan.results import change_words, unkept_words  # noqa: PLC0415 - not needed when it is queued

    yield from step_lines(progress_of(job))
    result = parsed(job.result)
    if job.reason is Reason.CONFLICT:
        yield printable(job.error or "conflict")
        yield from what_next(job.plan_id, conflicts_of(result))
    elif job.status is not AsyncJobStatus.SUCCEEDED:
        yield f"{job.phase} {job.status} ({job.reason}) after {took(job)}: {printable(job.error or 'no message')}"
        yield f"agents job logs {job.job_id} shows its output."
    elif job.phase == Phase.EXECUTE:
        yield _executed(job, result)
    else:
        yield f"Applied in {took(job)}: {change_words(result) if result else 'nothing'}."
        if result and (words := unkept_words(result)):
            yield words


def _executed(job: AsyncJob, result: object) -> str:
    from agentsd.cli.plan.results import change_words  # noqa: PLC0415 - see above

    words = change_words(result) if isinstance(result, dict) else "nothing"  # pyright: ignore[reportUnknownArgumentType]
    hint = "" if words == "nothing" else f" Look: agents plan diff {job.plan_id}"
    return f"Done in {took(job)}, changed: {words}.{hint}"
