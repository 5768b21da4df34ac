"""Waiting until a job has ended, and following it where its worker queues it again."""

from __future__ import annotations

import time
from collections.abc import Callable

from agentsd.errors import WaitTimeoutError
from agentsd.model import AsyncJob, AsyncJobStatus
from agentsd.store import jobs
from agentsd.store.database import Database

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1


def wait_for(
    db: Database, job_id: str, *, timeout: float | None, on_change: Callable[[AsyncJob], None] | None
) -> AsyncJob:
    """See ``Client.wait``. A job that has just changed is looked at more often."""
    deadline = None if timeout is None else time.monotonic() + timeout
    pause, seen = _FIRST_PAUSE, None
    while True:
        db.refuse_ghost()
        job = latest(db, jobs.get(db, job_id))
        if job != seen:
            seen, pause = job, _FIRST_PAUSE
            if on_change is not None:
                on_change(job)
        if job.status.is_terminal:
            return job
        if deadline is not None and time.monotonic() >= deadline:
            raise WaitTimeoutError(f"Job {job.job_id}", timeout or 0.0)
        # Another process writes the row, and SQLite tells nobody: looked at again, ever more rarely.
        time.sleep(pause if deadline is None else max(0.0, min(pause, deadline - time.monotonic())))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def latest(db: Database, job: AsyncJob) -> AsyncJob:
    """The automatic successor of *job*, or of that one, as far as it goes. A person's retry is none."""
    while job.status is AsyncJobStatus.FAILED:
        after = jobs.successor(db, job.job_id)
        # The worker queues its successor in the very transaction that ends the job.
        if after is None or after.created_at != job.finished_at:
            break
        job = after
    return job
