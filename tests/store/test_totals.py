"""What ended ever, counted by the database itself."""

from __future__ import annotations

import pytest

from agentsd.model import AsyncJobStatus, Reason
from agentsd.store import claims, jobs, metrics, retention
from agentsd.store.database import Database
from agentsd.store.jobs import NewJob
from agentsd.store.totals import BUCKETS

WORKER = "01J00000000000000000000WRK"


def end_one(db: Database, run: float) -> str:
    """A job that ran for *run* seconds, as its row says."""
    job = jobs.enqueue(db, NewJob(phase="noop"))
    with db.write() as tx:
        (claimed,) = claims.claim(tx, WORKER, 1)
        claims.mark_started(tx, claimed, WORKER, 4, 5)
        # The database's clock does the sum, so the times are moved in it.
        tx.execute(
            "UPDATE async_jobs SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', ?, ?) WHERE job_id = ?",
            (tx.now, f"{-run:.3f} seconds", job.job_id),
        )
        claims.finish(
            tx,
            claims.Ending(job=claimed, status=AsyncJobStatus.SUCCEEDED, reason=Reason.COMPLETED),
            WORKER,
        )
    return job.job_id


@pytest.mark.parametrize("run", [0.0, 0.3, 7.0, 20_000.0])
def test_a_job_counts_below_the_least_bound_that_holds_it(db: Database, run: float) -> None:
    """And below all greater ones; the last number is that of all."""
    end_one(db, run)
    found = metrics.spans(db, "run")["noop"]

    assert found.within == [*(int(run <= bound) for bound in BUCKETS), 1]
    assert found.seconds == pytest.approx(run, abs=0.01)


def test_a_clock_that_was_set_back_makes_no_negative_times(db: Database) -> None:
    """A sum that goes down would be a restart for Prometheus."""
    end_one(db, -3600.0)

    assert metrics.spans(db, "run")["noop"].seconds == 0.0


def test_who_writes_by_hand_is_counted_too(db: Database) -> None:
    """The trigger counts, not the code of one writer; a second write to what has ended is refused, not counted."""
    job = jobs.enqueue(db, NewJob(phase="noop"))
    end = "UPDATE async_jobs SET status = 'cancelled', reason = 'cancelled', finished_at = 'now' WHERE job_id = ?"
    db.connection.execute(end, (job.job_id,))
    with pytest.raises(Exception, match="no such move"):
        db.connection.execute(end, (job.job_id,))

    assert metrics.finished(db) == [("noop", "cancelled", "cancelled", 1)]
    assert metrics.spans(db, "run") == {}


def test_an_end_that_is_rolled_back_is_not_counted(db: Database) -> None:
    """The count is of the transaction that ends the job."""
    with pytest.raises(RuntimeError), db.write() as tx:
        job = jobs.insert(tx, NewJob(phase="noop"))
        tx.execute(
            "UPDATE async_jobs SET status = 'cancelled', reason = 'cancelled', finished_at = ? WHERE job_id = ?",
            (tx.now, job.job_id),
        )
        raise RuntimeError

    assert metrics.finished(db) == []


def test_pruning_lowers_nothing(db: Database) -> None:
    """Rows go, totals stay, and the next end is added to them."""
    end_one(db, 0.0)
    assert retention.prune(db, retention.cutoff(-60)) == 1
    end_one(db, 0.0)

    assert metrics.finished(db) == [("noop", "succeeded", "completed", 2)]
    assert metrics.spans(db, "wait")["noop"].within[-1] == 2
