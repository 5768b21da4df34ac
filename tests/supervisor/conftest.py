"""A real supervisor, and a client beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.home import Home
from support.patience import eventually
from support.processes import hears_signals
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.model import AsyncJob


@pytest.fixture
def client(home: Home) -> Iterator[Client]:
    """A client of the fresh store."""
    with home.connect() as connected:
        yield connected


@pytest.fixture
def start(home: Home) -> Iterator[Callable[..., Supervisor]]:
    """Starts supervisors, and ends them all."""
    started: list[Supervisor] = []

    def start_one(*options: str, own_session: bool = False, **settings: object) -> Supervisor:
        for key, value in settings.items():
            home.set(f"async.{key}", value)
        started.append(Supervisor(home, *options, own_session=own_session))
        return started[-1].start()

    yield start_one
    for supervisor in started:
        supervisor.end()


@pytest.fixture
def begin(client: Client) -> Callable[..., AsyncJob]:
    """Enqueues a job and returns it when it runs; with *ready*, when that holds for it, too."""

    def begin_one(phase: str, payload: object = None, *, progress: bool = False, **options: Any) -> AsyncJob:
        job_id = client.enqueue(phase, payload=payload, **options).job_id

        def running() -> AsyncJob | None:
            job = client.get(job_id)
            assert not job.status.is_terminal, job
            begun = job.started_at and hears_signals(job.pid or 0, job.pid_start)
            return job if begun and (job.progress or not progress) else None

        return eventually(running, 20, f"{phase} runs")

    return begin_one
