"""Jobs that are held, that wait for another one, that have a key, or that are moved in the queue."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
from support.queue import WORKER, add_plan, claim, finish

from agentsd.errors import ConflictError, NotFoundError
from agentsd.model import AsyncJob, AsyncJobStatus, Phase, PlanState, Reason
from agentsd.store import cancel, claims, events, jobs, plans, steering
from agentsd.store.claims import Ending
from agentsd.store.database import Database
from agentsd.store.jobs import NewJob
from agentsd.store.transaction import Transaction

NOBODY = "01J0000000000000000NOBODY00"
FAILED, SUCCEEDED, CANCELLED = AsyncJobStatus.FAILED, AsyncJobStatus.SUCCEEDED, AsyncJobStatus.CANCELLED


def add(db: Database, **more: object) -> AsyncJob:
    """A queued job."""
    return jobs.enqueue(db, NewJob(phase="noop", **more))  # pyright: ignore[reportArgumentType]


def steer(db: Database, act: Callable[..., AsyncJob], *words: object) -> AsyncJob:
    """One steering function in a transaction of its own."""
    with db.write() as tx:
        return act(tx, *words)


def details(db: Database, job: AsyncJob) -> list[object]:
    """The details of a job's events."""
    return [dict(event.detail) for event in events.for_job(db, job.job_id)]


def _move(tx: Transaction, job_id: str) -> AsyncJob:
    return steering.set_priority(tx, job_id, 1)


# -- hold and release -------------------------------------------------------------------------------------


def test_a_held_job_is_claimed_only_when_it_is_released(db: Database) -> None:
    """Others overtake it; then it has its old place."""
    held, other = add(db, hold=True), add(db)
    assert [job.job_id for job in claim(db, 10)] == [other.job_id]
    assert not claims.something_is_queued(db)

    released = steer(db, steering.release, held.job_id)

    assert (released.held_at, released.held_by) == (None, None)
    assert claims.something_is_queued(db)
    assert [job.job_id for job in claim(db, 10)] == [held.job_id]
    assert details(db, held) == [{"held": True}, {"held": False}, {}]


def test_holding_twice_is_recorded_once(db: Database) -> None:
    """And the first who held it is who holds it."""
    job = add(db)

    first, second = steer(db, steering.hold, job.job_id), steer(db, steering.hold, job.job_id)

    assert first.held_at == second.held_at
    assert first.held_by == db.actor.by
    assert details(db, job) == [{}, {"held": True}]
    assert steer(db, steering.release, job.job_id).held_at is None
    assert steer(db, steering.release, job.job_id).held_at is None


@pytest.mark.parametrize("act", [steering.hold, steering.release, _move])
def test_only_a_queued_job_is_steered(db: Database, act: Callable[[Transaction, str], AsyncJob]) -> None:
    """One that runs or has ended is named with its state."""
    job = add(db)
    claim(db)

    with pytest.raises(ConflictError, match="running: only a queued job"):
        steer(db, act, job.job_id)
    with pytest.raises(NotFoundError):
        steer(db, act, NOBODY)


def test_a_held_job_can_be_cancelled(db: Database) -> None:
    """As any queued job."""
    held = add(db, hold=True)

    with db.write() as tx:
        assert cancel.request_cancel(tx, held.job_id).reason is Reason.CANCELLED_BEFORE_START


@pytest.mark.parametrize("blocked", [{"hold": True}, {"after": True}], ids=["held", "waiting"])
def test_not_even_sql_claims_what_may_not_start(db: Database, blocked: dict[str, object]) -> None:
    """The database's own rules hold for everybody."""
    if "after" in blocked:
        blocked = {"after": add(db).job_id}
    job = add(db, **blocked)

    with pytest.raises(sqlite3.IntegrityError):
        db.connection.execute(
            "UPDATE async_jobs SET status = 'running', worker_id = 'x', claimed_at = 'now' WHERE job_id = ?",
            (job.job_id,),
        )


# -- priority ---------------------------------------------------------------------------------------------


def test_a_job_is_moved_in_the_queue(db: Database) -> None:
    """A higher priority is claimed first."""
    first, second = add(db), add(db)

    assert steer(db, steering.set_priority, second.job_id, 5).priority == 5
    steer(db, steering.set_priority, second.job_id, 5)

    assert [job.job_id for job in claim(db, 2)] == [second.job_id, first.job_id]
    assert details(db, second) == [{}, {"priority": 5}, {}]


# -- after ------------------------------------------------------------------------------------------------


def test_a_job_after_another_starts_when_that_has_succeeded(db: Database) -> None:
    """Not before; and its history says so."""
    first = add(db)
    second = add(db, after=first.job_id, priority=9)
    assert second.waits_for == first.job_id

    (running,) = claim(db, 10)
    assert running.job_id == first.job_id
    finish(db, running)

    assert [job.job_id for job in claim(db, 10)] == [second.job_id]
    assert details(db, second) == [{"after": first.job_id}, {"may_start_after": first.job_id}, {}]


@pytest.mark.parametrize("status", [FAILED, CANCELLED])
def test_what_waits_for_a_failure_ends_with_it(db: Database, status: AsyncJobStatus) -> None:
    """And so does what waits for that, however long the chain."""
    chain = [add(db)]
    for _ in range(50):
        chain.append(add(db, after=chain[-1].job_id))
    (running,) = claim(db, 10)
    finish(db, running, status, Reason.CANCELLED if status is CANCELLED else Reason.EXITED)

    ended = [jobs.get(db, job.job_id) for job in chain[1:]]

    assert {(job.status, job.reason) for job in ended} == {(CANCELLED, Reason.DEPENDENCY_FAILED)}
    assert ended[0].error == f"It was to start after job {chain[0].job_id}, which ended {status}."
    assert ended[1].error == f"It was to start after job {chain[1].job_id}, which ended cancelled."
    assert [event.to_status for event in events.for_job(db, chain[-1].job_id)] == ["queued", "cancelled"]


def test_what_waits_for_a_job_that_is_cancelled_in_the_queue_ends_too(db: Database) -> None:
    """A cancel before the start is an end like any other."""
    first = add(db)
    second = add(db, after=first.job_id, hold=True)

    with db.write() as tx:
        cancel.request_cancel(tx, first.job_id)

    assert jobs.get(db, second.job_id).reason is Reason.DEPENDENCY_FAILED


def test_what_waits_follows_an_automatic_attempt(db: Database) -> None:
    """A job that is tried again has not failed yet."""
    first = add(db)
    second = add(db, after=first.job_id)
    (running,) = claim(db)
    with db.write() as tx:
        following = claims.finish(
            tx,
            Ending(
                job=running,
                status=FAILED,
                reason=Reason.INTERRUPTED,
                successor=jobs.successor_of(running, attempt=1),
            ),
            WORKER,
        )
    assert following is not None
    assert jobs.get(db, second.job_id).waits_for == following.job_id
    third = add(db, after=first.job_id)
    assert third.waits_for == following.job_id

    (again,) = claim(db, 10)
    finish(db, again)
    assert {job.job_id for job in claim(db, 10)} == {second.job_id, third.job_id}


def test_after_a_job_that_has_ended(db: Database) -> None:
    """Succeeded: nothing to wait for. Failed: it would never start, and is refused."""
    good, bad = add(db), add(db)
    finish(db, claim(db)[0])
    finish(db, claim(db)[0], FAILED, Reason.EXITED)

    assert add(db, after=good.job_id).waits_for is None
    with pytest.raises(ConflictError, match=r"ended failed \(exited\)"):
        add(db, after=bad.job_id)
    with pytest.raises(NotFoundError):
        add(db, after=NOBODY)
    assert len(jobs.list_jobs(db)) == 3


def test_a_plan_whose_job_never_starts_is_free_again(db: Database) -> None:
    """Its state moves with the job's."""
    first, plan_id = add(db), add_plan(db)
    with db.write() as tx:
        jobs.insert_for_plan(tx, plan_id, Phase.EXECUTE, after=first.job_id)
    assert plans.get(db, plan_id).state is PlanState.EXECUTING

    finish(db, claim(db)[0], FAILED, Reason.EXITED)

    assert plans.get(db, plan_id).state is PlanState.CANCELLED


# -- keys -------------------------------------------------------------------------------------------------


def _once(db: Database, new: NewJob) -> tuple[AsyncJob, bool]:
    with db.write() as tx:
        return jobs.insert_once(tx, new)


def test_a_key_makes_one_job_at_a_time(db: Database) -> None:
    """The active one is given back until it has ended."""
    job, new = _once(db, NewJob(phase="noop", key="nightly"))
    assert new
    assert _once(db, NewJob(phase="noop", key="nightly")) == (job, False)
    (running,) = claim(db)
    assert _once(db, NewJob(phase="noop", key="nightly")) == (running, False)
    finish(db, running)

    following, new = _once(db, NewJob(phase="noop", key="nightly"))

    assert new
    assert following.job_id != job.job_id
    with pytest.raises(ConflictError, match="same key 'nightly' is queued"), db.write() as tx:
        jobs.insert_retry(tx, jobs.get(db, job.job_id))


def test_an_automatic_attempt_keeps_the_key(db: Database) -> None:
    """So that the work is not queued a second time beside it."""
    job = add(db, key="k")
    (running,) = claim(db)
    with db.write() as tx:
        ending = Ending(
            job=running, status=FAILED, reason=Reason.EXITED, successor=jobs.successor_of(running, attempt=2)
        )
        following = claims.finish(tx, ending, WORKER)

    assert following is not None
    assert (following.key, following.retry_of) == ("k", job.job_id)


def test_not_even_sql_makes_two_of_a_key(db: Database) -> None:
    """The index is the last word; and a key never changes."""
    first, second = add(db, key="k"), add(db)

    with pytest.raises(sqlite3.IntegrityError):
        db.connection.execute("UPDATE async_jobs SET key = 'k' WHERE job_id = ?", (second.job_id,))
    with pytest.raises(sqlite3.IntegrityError):
        db.connection.execute("UPDATE async_jobs SET key = NULL WHERE job_id = ?", (first.job_id,))


def test_a_claim_costs_the_same_beside_many_that_may_not_start(db: Database) -> None:
    """The index of the queue does not hold them, so none of them is looked at."""
    plan = db.read(
        f"EXPLAIN QUERY PLAN {claims.CLAIM}", {"worker_id": "", "now": "", "version": 1, "limit": 1}
    )

    assert any("USING INDEX jobs_queued" in row[3] for row in plan)
    assert not any("TEMP B-TREE" in row[3] for row in plan)
