"""``agents job enqueue``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentsd.cli.framework import Seconds, current_output, define
from agentsd.cli.session import find_job, find_plan, session, warn_without_worker
from agentsd.errors import ExitCode, InvalidInputError
from agentsd.model import JSON

if TYPE_CHECKING:
    from agentsd.supervisor.client import Wishes


@define(
    "enqueue",
    examples="""agents job enqueue execute --plan 01JABCDE
    agents job enqueue resize --payload '{"paths": ["a.png"]}' --timeout "5 m"
    agents job enqueue resize --payload @paths.json
    agents job enqueue publish --after 01JABCDE
    agents job enqueue report --key nightly-report
    make-list | agents job enqueue resize --payload -
    agents job enqueue resize --from-jsonl jobs.jsonl""",
)
@click.argument("phase")
@click.option("--plan", help="The plan that the job belongs to; execute and apply need one.")
@click.option("--payload", metavar="JSON|@FILE|-", help="What the phase gets: JSON, a file, or stdin.")
@click.option("--from-jsonl", metavar="FILE|-", help="A job for each line: all of them, or none.")
@click.option("--priority", type=int, default=0, help="Jobs with a higher one run first [default: 0].")
@click.option("--timeout", type=Seconds(), help="How long it may take [default: async.job_timeout].")
@click.option("--after", metavar="JOB", help="Start when this job has succeeded; if it does not, never.")
@click.option("--hold", is_flag=True, help="Wait until `agents job release`.")
@click.option("--key", metavar="TEXT", help="Do nothing while a job with this key is queued or running.")
def command(
    phase: str,
    plan: str | None,
    payload: str | None,
    from_jsonl: str | None,
    priority: int,
    timeout: float | None,
    after: str | None,
    hold: bool,
    key: str | None,
) -> ExitCode:
    """Put a job of PHASE into the queue and print its id.

    When this returns, the job is on the disk and a worker knows of it. Never put a secret into a payload.

    With --from-jsonl every line is an object with any of the keys payload, priority, timeout, after, hold and key;
    what a line does not say, the options say. One bad line, and nothing is queued.
    """
    if from_jsonl is not None:
        return _enqueue_lines(
            phase,
            from_jsonl,
            payload,
            plan,
            after,
            key,
            {"priority": priority, "timeout": timeout, "hold": hold},
        )
    data, output = read_payload(payload), current_output()
    with session() as client:
        plan_id = find_plan(client, plan) if plan is not None else None
        job, new = client.enqueue_once(
            phase,
            plan_id=plan_id,
            payload=data,
            priority=priority,
            timeout=timeout,
            after=None if after is None else find_job(client, after),
            hold=hold,
            key=key,
        )
        if not new:
            output.info(f"Job {job.job_id} has the key {key!r} and is {job.status}: nothing was queued.")
        warn_without_worker(client, output)
    return output.result({"job_id": job.job_id, "status": job.status, "created": new}, lambda: [job.job_id])


def _enqueue_lines(
    phase: str,
    source: str,
    payload: str | None,
    plan: str | None,
    after: str | None,
    key: str | None,
    more: Wishes,
) -> ExitCode:
    """Queue a job for each line. What can only be of one job is refused."""
    from agentsd.cli.job.batch import enqueue_batch  # noqa: PLC0415 - hardly ever needed

    if payload is not None or key is not None:
        raise click.UsageError("With --from-jsonl each line has its own payload and its own key.")
    with session() as client:
        plan_id = find_plan(client, plan) if plan is not None else None
        defaults: Wishes = {**more, "after": None if after is None else find_job(client, after)}
        return enqueue_batch(client, phase, source, plan_id=plan_id, defaults=defaults)


def read_payload(text: str | None) -> JSON:
    """The value that ``--payload`` names. Raises InvalidInputError for a missing file or what is no JSON."""
    if text is None:
        return None
    import orjson  # noqa: PLC0415 - most commands read no JSON

    where, data = "--payload", text.encode()
    try:
        if text == "-":
            where = "stdin"
            data = sys.stdin.buffer.read()
        elif text.startswith("@"):
            where = text[1:]
            data = Path(where).read_bytes()
        return orjson.loads(data)
    except OSError as error:
        raise InvalidInputError(where, expected="a file with JSON", got=error.strerror) from None
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(where, expected="JSON", got=str(error)) from None
