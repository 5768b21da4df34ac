"""Cancelling a job: a queued one ends at once, a running one through its owner.

Nobody signals a job of a living owner: the wish is written and the owner is poked. Only when the owner is provably
dead is what is left ended from here, by identity, and the row finished.
"""

from __future__ import annotations

import signal as signals
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agentsd.errors import AgentsError, InvalidInputError, StoreError
from agentsd.faults import reach
from agentsd.model import AsyncJob, Worker
from agentsd.store import cancel, jobs, workers
from agentsd.store.database import Database
from agentsd.store.settings import Settings
from agentsd.supervisor import takeover
from agentsd.supervisor.wakeup import poke

ACKNOWLEDGE = 5.0
"""Seconds that a cancel waits for a sign of the job's owner."""
_LOOK_AGAIN = 0.01
"""Seconds between looks for it."""
SLICE = 500
"""Jobs that are cancelled in one transaction, for which everybody else waits. One for each job takes ten times as long."""


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """What a cancel found. ``acknowledged`` is False if the job's owner gave no sign of life."""

    job: AsyncJob
    acknowledged: bool


class _Asked(NamedTuple):
    """A job after the request, its owner as it was then, and until when that may take to react."""

    job: AsyncJob
    owner: Worker | None
    until: float


def cancel_job(
    db: Database, settings: Settings, job_id: str, *, reason: str, signal: str | None, force: bool
) -> CancelOutcome:
    """Cancel a job and see to it, see ``Client.cancel``."""
    (found,) = cancel_jobs(db, settings, [job_id], reason=reason, signal=signal, force=force)
    if isinstance(found, AgentsError):
        raise found
    return found


def cancel_jobs(
    db: Database, settings: Settings, ids: Sequence[str], *, reason: str, signal: str | None, force: bool
) -> list[CancelOutcome | AgentsError]:
    """Cancel jobs and see to them, see ``Client.cancel_many``."""
    wanted = _signal_name(signal)
    slices = [ids[begin : begin + SLICE] for begin in range(0, len(ids), SLICE)]
    asked = [each for some in slices for each in _ask(db, some, why=reason, signal=wanted)]
    return [_outcome(db, settings, each, force=force) for each in asked]


def _ask(db: Database, ids: Sequence[str], *, why: str, signal: str | None) -> list[_Asked | AgentsError]:
    """Cancel all of *ids*, or ask their owners to, in one transaction. If that fails, each of them has the error."""
    try:
        with db.write() as tx:
            found = cancel.request_cancels(tx, ids, why=why, signal=signal)
            reach("cancel.commit")
    except StoreError as error:
        return [error] * len(ids)
    reach("cancel.committed")
    # Each owner is looked at once, and then woken: whatever beat comes after that has seen every request.
    ids_of_owners = {job.worker_id for job in found if isinstance(job, AsyncJob) and job.worker_id}
    owners = {owner_id: workers.get(db, owner_id) for owner_id in ids_of_owners}
    for owner in owners.values():
        if owner is not None:
            poke(owner.socket_path)
    until = time.monotonic() + ACKNOWLEDGE
    return [
        job if isinstance(job, AgentsError) else _Asked(job, owners.get(job.worker_id or ""), until)
        for job in found
    ]


def _outcome(
    db: Database, settings: Settings, asked: _Asked | AgentsError, *, force: bool
) -> CancelOutcome | AgentsError:
    if isinstance(asked, AgentsError):
        return asked
    try:
        return _see_to_it(db, settings, asked, force=force)
    except AgentsError as error:
        return error


def _see_to_it(db: Database, settings: Settings, asked: _Asked, *, force: bool) -> CancelOutcome:
    """Wait for the owner's sign; do its work if it is dead, or if it is to be forced."""
    job, owner = asked.job, asked.owner
    if job.status.is_terminal:
        return CancelOutcome(job, acknowledged=True)
    while True:
        in_time = time.monotonic() < asked.until
        now = jobs.get(db, job.job_id)
        if now.status.is_terminal:
            return CancelOutcome(now, acknowledged=True)
        # Before its beat: it may have heard, and died while others of its jobs were seen to.
        if owner is None or takeover.is_dead(owner):
            return CancelOutcome(takeover.bury_owner(db, settings, job, owner), acknowledged=True)
        row = workers.get(db, owner.worker_id)
        if row is not None and row.beat != owner.beat:
            return CancelOutcome(now, acknowledged=True)
        if not in_time:
            break
        time.sleep(_LOOK_AGAIN)  # the sign is a row that another process writes: no event comes
    if force:
        return CancelOutcome(takeover.force(db, job, owner), acknowledged=False)
    return CancelOutcome(now, acknowledged=False)


def _signal_name(text: str | None) -> str | None:
    """``term``, ``SIGTERM`` or ``15`` as ``TERM``. Raises InvalidInputError."""
    if text is None:
        return None
    name = text.upper().removeprefix("SIG")
    try:
        number = signals.Signals(int(name)) if name.isdigit() else signals.Signals[f"SIG{name}"]
    except (ValueError, KeyError):
        raise InvalidInputError(
            "signal", expected="a name or number such as TERM, INT, KILL", got=text
        ) from None
    return number.name.removeprefix("SIG")
