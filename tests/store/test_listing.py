"""Questions about many jobs that are answered without reading them all."""

from __future__ import annotations

import pytest

from agentsd.model import Phase
from agentsd.store import claims, jobs, listing
from agentsd.store.database import Database
from agentsd.store.jobs import NewJob


def test_the_place_of_a_job_is_that_of_the_claim(db: Database) -> None:
    """First those of higher priority, then the older ones; what is held or waits for another does not count."""
    first = jobs.enqueue(db, NewJob(phase="noop"))
    jobs.enqueue(db, NewJob(phase="noop", hold=True))
    jobs.enqueue(db, NewJob(phase="noop", after=first.job_id))
    jobs.enqueue(db, NewJob(phase="noop", schema_version=99, priority=9))
    second, urgent = (jobs.enqueue(db, NewJob(phase="noop", priority=number)) for number in (0, 5))
    places = {job.job_id: listing.jobs_before(db, job) for job in (first, second, urgent)}

    with db.write() as tx:
        order = [claims.claim(tx, "W", 1)[0].job_id for _ in range(3)]
    assert [urgent.job_id, first.job_id, second.job_id] == order
    assert [0, 1, 2] == [places[job_id] for job_id in order]


@pytest.mark.parametrize("page", [1, 2, 500])
def test_ids_of_no_job_are_found(db: Database, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """In the order in which they were asked for, page by page."""
    monkeypatch.setattr(listing, "PAGE", page)
    there = [jobs.enqueue(db, NewJob(phase="noop")).job_id for _ in range(3)]

    assert ["b", "c", "a", "d"] == list(listing.unknown_jobs(db, ["b", "c", "a", *there, "d"]))
    assert [] == list(listing.unknown_jobs(db, []))


def test_active_jobs_of_plans_are_told_from_the_others(db: Database) -> None:
    """A job without a plan has its own id as that of its plan; what has ended is not active."""
    jobs.enqueue(db, NewJob(phase="noop"))
    of_a_plan = jobs.enqueue(db, NewJob(phase=Phase.EXECUTE, plan_id="P"))

    assert [("P", of_a_plan.job_id)] == listing.active_jobs_of_plans(db)
    db.connection.execute(
        "UPDATE async_jobs SET status = 'cancelled', reason = 'cancelled', finished_at = 'now' WHERE plan_id = 'P'"
    )
    assert [] == listing.active_jobs_of_plans(db)
