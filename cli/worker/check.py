"""``agents worker check``: one answer for a monitor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from agentsd.cli.framework import Seconds, current_output, define
from agentsd.cli.output import paint
from agentsd.cli.session import find_worker, session
from agentsd.cli.words import count, seconds_between
from agentsd.cli.worker.health import seen_workers
from agentsd.errors import ExitCode
from agentsd.model import Worker
from agentsd.store.units import format_seconds

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

GOOD = ("alive", "draining")


@define(
    "check",
    examples="""agents worker check
    agents worker check --max-wait "10 m"
    agents worker check 01JABCDE || systemctl --user restart agentsd""",
)
@click.argument("worker", required=False)
@click.option("--max-wait", type=Seconds(), help="Also fail if a job that could start has waited for longer.")
def command(worker: str | None, max_wait: float | None) -> ExitCode:
    """Say in one line whether WORKER (or any worker) lives and beats; exits with 1 if not.

    For monitors and health checks: it is quick, and it looks at nothing else. `agents diagnostics` does.
    """
    with session() as client:
        ident = None if worker is None else find_worker(client, worker)
        found = [
            each
            for each in seen_workers(client, include_ended=ident is not None)
            if ident in (None, each[0].worker_id)
        ]
        oldest = _oldest_wait(client)
    problems = [*_problems(found, oldest, max_wait)]
    beats = [seconds_between(row.last_heartbeat) for row, health in found if health in GOOD]
    data = {
        "healthy": not problems,
        "problems": problems,
        "workers": len(beats),
        "heartbeat_age_s": round(min(beats), 3) if beats else None,
        "oldest_wait_s": round(oldest, 3),
    }
    line = (
        f"{paint('not well', 'red')}  {' '.join(problems)}"
        if problems
        else f"{paint('ok', 'green')}  {count(len(beats), 'worker')}, last beat {format_seconds(round(min(beats), 1))} ago"
    )
    code = ExitCode.ERROR if problems else ExitCode.OK
    return current_output().result(data, lambda: [line], exit_code=code)


def _oldest_wait(client: Client) -> float:
    """Seconds that the job has waited which has waited longest of those that could start; 0 without any."""
    from agentsd.store import metrics  # noqa: PLC0415 - loaded with the client

    ready = [seconds_between(each.oldest) for each in metrics.waiting(client.db) if each.state == "ready"]
    return max(ready, default=0.0)


def _problems(found: Iterable[tuple[Worker, str]], oldest: float, max_wait: float | None) -> Iterator[str]:
    states = [(row, health) for row, health in found if health not in GOOD]
    if not any(health in GOOD for _, health in found):
        yield "No worker is running."
        yield from (f"Worker {row.worker_id} is {health}." for row, health in states)
    if max_wait is not None and oldest > max_wait:
        yield f"A job has waited for {format_seconds(round(oldest))}, longer than {format_seconds(max_wait)}."
