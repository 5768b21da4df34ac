"""Opening the store for one command, and what commands ask of it again and again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentsd.cli.output import Output

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


@contextmanager
def session() -> Generator[Client]:
    """A client on the state directory of the environment, closed at the end."""
    from agentsd.supervisor.client import connect  # noqa: PLC0415 - help and config need no store

    with connect() as client:
        yield client


def find_job(client: Client, ident: str) -> str:
    """The full id of the job that *ident* names."""
    from agentsd.store import jobs  # noqa: PLC0415 - loaded with the client

    return jobs.resolve(client.db, ident)


def find_plan(client: Client, ident: str) -> str:
    """The full id of the plan that *ident* names."""
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    return plans.resolve(client.db, ident)


def find_worker(client: Client, ident: str) -> str:
    """The full id of the worker that *ident* names."""
    from agentsd.store.ids import resolve_id  # noqa: PLC0415 - loaded with the client

    return resolve_id(client.db, "worker", "workers", "worker_id", ident)


def warn_without_worker(client: Client, output: Output) -> None:
    """Say it loudly if nobody is there to run what was just queued."""
    if not client.live_workers():
        output.warn("No worker is running, so the job waits. Start one: agents worker start")
