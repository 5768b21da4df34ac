"""A store that nobody can write for longer than a TTL makes no healthy supervisor a dead one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.machine.world import TTL, World

from agentsd.store import jobs
from agentsd.store.jobs import NewJob
from agentsd.store.mutex import WriterMutex


@pytest.fixture
def world() -> Iterator[World]:
    """A host with two supervisors, each of which runs a job."""
    made = World()
    for _ in range(2):
        made.start_worker()
    for worker in made.workers:
        for _ in range(2):
            jobs.enqueue(made.db, NewJob(phase="noop"))
            made.turn(worker)
    made.live(TTL / 4)
    yield made
    made.close()


def test_who_cannot_write_does_not_call_others_silent(world: World) -> None:
    """A command line is stopped in its transaction: all beats stop, and no process of a job is killed."""
    before = [(spawner, job.job_id) for spawner, job in world.running()]
    mutex = WriterMutex(world.home.state.root / "agents.db.lock")
    assert mutex.try_acquire()
    world.live(3 * TTL)
    still = [(spawner, job.job_id) for spawner, job in world.running()]
    mutex.close()
    world.live(3 * TTL)

    assert 4 == len(before)
    assert before == still
    assert before == [(spawner, job.job_id) for spawner, job in world.running()]
    assert 2 == len(world.awake)
