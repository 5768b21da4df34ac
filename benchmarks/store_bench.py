"""The store beside many rows: claims, bulks, pages of a list, slices of a prune."""

from __future__ import annotations

from support.home import Home

from agentsd.store import claims, jobs, retention
from agentsd.store.jobs import NewJob, insert
from agentsd.store.listing import JobFilter, walk_jobs
from agentsd.supervisor.client import Wishes
from limits.rows import fill


class _Beside:
    """A store with many jobs in it."""

    params = (0, 10_000, 100_000)
    param_names = ("finished",)
    timeout = 300
    finished = True

    def setup(self, rows: int) -> None:
        self.home = Home()
        self.client = self.home.connect()
        fill(self.client, rows, finished=self.finished)

    def teardown(self, _rows: int) -> None:
        self.client.close()
        self.home.remove()


class BesideFinished(_Beside):
    """What must cost the same however long the store has lived."""

    number, repeat, warmup_time = 1, 30, 0

    def time_claim(self, _rows: int) -> None:
        """One job is queued and claimed."""
        with self.client.db.write(durable=False) as tx:
            insert(tx, NewJob(phase="noop"))
            assert len(claims.claim(tx, "01JBENCHMARKBENCHMARKBENCH", 1)) == 1

    def time_enqueue(self, _rows: int) -> None:
        """One job through the API, durable when the call returns."""
        self.client.enqueue("noop")

    def time_newest_page(self, _rows: int) -> None:
        """Fifty rows of ``job list``."""
        list(walk_jobs(self.client.db, JobFilter(), limit=50))

    def time_counts(self, _rows: int) -> None:
        """How many there are of each status: this one may grow."""
        jobs.counts(self.client.db)


class Prune(_Beside):
    """One slice of what has expired: the loop of a supervisor waits for it."""

    params = (10_000, 100_000)
    number, repeat, warmup_time = 1, 20, 0

    def time_slice(self, _rows: int) -> None:
        """Its logs, its rows, its events."""
        db, before = self.client.db, retention.cutoff(60)
        gone = retention.expired(db, before, retention.SLICE)
        assert len(gone) == retention.SLICE
        retention.remove_logs(db.state, gone)
        with db.write(durable=False) as tx:
            retention.delete(tx, gone, before)


class Bulk(_Beside):
    """A thousand jobs in one transaction."""

    params = (0,)
    number, repeat, warmup_time = 1, 10, 0

    def time_enqueue_many(self, _rows: int) -> None:
        """Through the API."""
        self.client.enqueue_many("noop", [(None, Wishes())] * 1000)
