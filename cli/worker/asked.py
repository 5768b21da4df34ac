"""What the commands that ask a worker for something share: which one is meant, and showing that it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentsd.cli.framework import current_output
from agentsd.cli.session import find_worker
from agentsd.errors import ConflictError, ExitCode
from agentsd.model import JSON, Worker

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


def meant(client: Client, ident: str | None) -> str:
    """The id of the worker that *ident* names, or of the only one that runs. Raises ConflictError."""
    if ident is not None:
        return find_worker(client, ident)
    running = [row.worker_id for row in client.live_workers()]
    if len(running) != 1:
        there_are = f"{len(running)} workers run" if running else "no worker runs"
        raise ConflictError(f"Which worker? Here {there_are}. `agents worker list` shows them.")
    return running[0]


def show_asked(worker: Worker, to_do: str, **more: JSON) -> ExitCode:
    """Say that *worker* was asked *to_do* something."""
    data = {"worker_id": worker.worker_id, "pid": worker.pid, **more}
    return current_output().result(
        data, lambda: [f"worker {worker.worker_id} (pid {worker.pid}) was asked to {to_do}"]
    )
