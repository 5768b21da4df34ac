"""``agents job wait``."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import click

from agentsd.cli.framework import Seconds, current_output, define
from agentsd.cli.job.attendance import Attendance
from agentsd.cli.output import printable
from agentsd.cli.progress import ProgressLine
from agentsd.cli.session import find_job, session
from agentsd.cli.shapes import shown_job
from agentsd.cli.words import took
from agentsd.errors import ExitCode, WaitTimeoutError
from agentsd.model import AsyncJob, Phase

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

TICK = 1.0
"""Seconds between two drawings of the progress."""


@define(
    "wait",
    examples="""agents job wait 01JABCDE
    agents job wait 01JABCDE 01JBCDEF --timeout "10 m" """,
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option("--timeout", type=Seconds(), help="Give up after so long; the jobs go on.")
def command(jobs: tuple[str, ...], timeout: float | None) -> ExitCode:
    """Wait until every JOB has ended, and exit as they did.

    0 succeeded, 130 cancelled, 124 timed out (the job, or this wait), 4 conflict, 1 failed otherwise; of
    several jobs the worst. A job that a worker queues again by itself is followed.
    """
    from agentsd.supervisor.outcome import exit_code_for  # noqa: PLC0415 - loaded with the client

    output = current_output()
    give_up = _GiveUp(timeout)
    ended: list[AsyncJob] = []
    with session() as client:
        ids = [find_job(client, ident) for ident in jobs]
        for number, job_id in enumerate(ids, start=1):
            with ProgressLine(output, f"{number}/{len(ids)}  " if len(ids) > 1 else "") as line:
                _expect(client, job_id, line)
                ended.append(_wait(client, job_id, give_up, line))
        items = [] if output.is_table else [shown_job(client, job) for job in ended]
    worst = max(exit_code_for(job) for job in ended)
    data = {"jobs": items} if len(jobs) > 1 else next(iter(items), None)
    return output.result(data, lambda: map(outcome_line, ended), items=items, exit_code=worst)


class _GiveUp:
    """When to stop waiting for all of them."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._end = math.inf if timeout is None else time.monotonic() + timeout

    @property
    def left(self) -> float:
        """Seconds until then."""
        return max(0.0, self._end - time.monotonic())


def _expect(client: Client, job_id: str, line: ProgressLine) -> None:
    """Tell the line how long the steps of a plan may take."""
    job = client.get(job_id)
    if not line.is_shown or job.status.is_terminal or job.phase != Phase.EXECUTE:
        return
    from agentsd.cli.plan.estimate import expected_seconds  # noqa: PLC0415 - only for who sees it
    from agentsd.store import plans  # noqa: PLC0415

    line.expected = expected_seconds(client, plans.get(client.db, job.plan_id))


def _wait(client: Client, job_id: str, give_up: _GiveUp, line: ProgressLine) -> AsyncJob:
    """Wait for one job. Its line is drawn again every second: the time that it takes is news, too."""

    def warn(text: str) -> None:
        line.make_way()
        current_output().warn(text)

    attendance = Attendance(client, warn)
    while True:
        attendance.look(client.get(job_id))
        try:
            return client.wait(job_id, timeout=min(TICK, give_up.left), on_change=line.show_job)
        except WaitTimeoutError:
            if not give_up.left:
                raise WaitTimeoutError(f"Job {job_id}", give_up.timeout or 0.0) from None
        except KeyboardInterrupt:
            line.make_way()
            current_output().info(f"Job {job_id} goes on; `agents job cancel {job_id}` ends it.")
            raise


def outcome_line(job: AsyncJob) -> str:
    """How a job ended, in one line."""
    said = f"{job.job_id} {job.status} ({job.reason})"
    ran = f" after {took(job)}" if job.started_at else ""
    return f"{said}{ran}" + (f": {printable(job.error)}" if job.error else "")
