"""Putting many jobs into the queue at once: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterable

from agentsd.errors import AgentsError, OneOfManyError
from agentsd.model import AsyncJob
from agentsd.store.jobs import NewJob, insert_once
from agentsd.store.transaction import Transaction


def insert_all(tx: Transaction, many: Iterable[NewJob]) -> list[tuple[AsyncJob, bool]]:
    """Put every job into the queue; each with whether it is new (see ``insert_once``).

    A job's ``key`` counts against the jobs before it, too. Raises OneOfManyError, which says the position of
    the job that cannot be queued (from 0) and why; then none is.
    """
    done: list[tuple[AsyncJob, bool]] = []
    for position, job in enumerate(many):
        try:
            done.append(insert_once(tx, job))
        except AgentsError as error:
            raise OneOfManyError(position, error) from error
    return done
