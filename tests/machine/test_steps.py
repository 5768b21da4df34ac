"""Stepped supervisors in histories that were chosen, not drawn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.machine.world import TTL, World

from agentsd.store import jobs
from agentsd.store.jobs import NewJob
from agentsd.store.mutex import WriterMutex


@pytest.fixture
def world() -> Iterator[World]:
    """A host with two supervisors."""
    made = World()
    for _ in range(2):
        made.start_worker()
    yield made
    made.close()


def test_no_handler_begins_before_its_process_is_stored(world: World) -> None:
    """The supervisor is stopped when it has heard of the fork: the process waits."""
    worker, _ = world.workers
    job = jobs.enqueue(world.db, NewJob(phase="noop"))
    world.turn(worker)
    world.step_spawners()  # forks
    world.advance(worker)  # hears of it
    world.step_spawners()
    begun_early = set(world.begun)
    world.turn(worker)  # stores it, and lets it go
    world.step_spawners()

    assert set() == begun_early
    assert {job.job_id} == world.begun


def test_who_cannot_write_does_not_call_others_silent(world: World) -> None:
    """A command line is stopped in its transaction: all beats stop, and no process of a job is killed."""
    for worker in world.workers:
        for _ in range(2):
            jobs.enqueue(world.db, NewJob(phase="noop"))
            world.turn(worker)
    world.live(TTL / 4)
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
