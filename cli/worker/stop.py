"""``agents worker stop``."""

from __future__ import annotations

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.session import find_worker, session
from agentsd.errors import ConflictError, ExitCode


@define(
    "stop",
    examples="""agents worker stop
    agents worker stop 01JABCDE --now""",
)
@click.argument("worker", required=False)
@click.option("--now", is_flag=True, help="Ask its jobs to stop at once; they are queued again.")
def command(worker: str | None, now: bool) -> ExitCode:
    """Ask WORKER (or the only one that runs) to stop; its jobs may finish within async.shutdown_grace."""
    with session() as client:
        if worker is None:
            running = [row.worker_id for row in client.live_workers()]
            if len(running) != 1:
                there_are = f"{len(running)} workers run" if running else "no worker runs"
                raise ConflictError(f"Which worker? Here {there_are}. `agents worker list` shows them.")
            chosen = running[0]
        else:
            chosen = find_worker(client, worker)
        asked = client.stop_worker(chosen, now=now)
    data = {"worker_id": asked.worker_id, "pid": asked.pid, "now": now}
    return current_output().result(
        data, lambda: [f"worker {asked.worker_id} (pid {asked.pid}) was asked to stop"]
    )
