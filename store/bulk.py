"""Putting many jobs into the queue at once: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterable

from agentsd.errors import AgentsError, OneOfManyError
from agentsd.model import AsyncJob
from agentsd.store.database import Database
from agentsd.store.jobs import NewJob, active_of_key, insert


def enqueue_all(db: Database, many: Iterable[NewJob]) -> list[tuple[AsyncJob, bool]]:
    """Put every job into the queue in one transaction; each with whether it is new (see ``enqueue_once``).

    A job's ``key`` counts against the jobs before it, too. Raises OneOfManyError, which says the position of
    the job that cannot be queued (from 0) and why; then none is.
    """
    done: list[tuple[AsyncJob, bool]] = []
    with db.write() as tx:
        for position, job in enumerate(many):
            try:
                active = active_of_key(tx, job.key)
                done.append((active, False) if active else (insert(tx, job), True))
            except AgentsError as error:
                raise OneOfManyError(position, error) from error
    return done
