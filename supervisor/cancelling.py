"""Cancelling a job: a queued one ends at once, a running one through its owner.

Nobody signals a job of a living owner: the wish is written and the owner is poked. Only when the owner is provably
dead is what is left ended from here, by identity, and the row finished.
"""

from __future__ import annotations

import signal as signals
import time
from dataclasses import dataclass

from agentsd.errors import InvalidInputError
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


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """What a cancel found. ``acknowledged`` is False if the job's owner gave no sign of life."""

    job: AsyncJob
    acknowledged: bool


def cancel_job(
    db: Database, settings: Settings, job_id: str, *, reason: str, signal: str | None, force: bool
) -> CancelOutcome:
    """Cancel a job and see to it, see ``Client.cancel``."""
    wanted = _signal_name(signal)
    with db.write() as tx:
        job = cancel.request_cancel(tx, job_id, why=reason, signal=wanted)
        reach("cancel.commit")
    reach("cancel.committed")
    if job.status.is_terminal or job.worker_id is None:
        return CancelOutcome(job, acknowledged=True)
    owner = workers.get(db, job.worker_id)
    if owner is not None:
        poke(owner.socket_path)
    return _see_to_it(db, settings, job, owner, force=force)


def _see_to_it(
    db: Database, settings: Settings, job: AsyncJob, owner: Worker | None, *, force: bool
) -> CancelOutcome:
    """Wait for the owner's sign; do its work if it is dead, or if it is to be forced."""
    if owner is None or takeover.is_dead(owner):
        return CancelOutcome(takeover.bury_owner(db, settings, job, owner), acknowledged=True)
    deadline = time.monotonic() + ACKNOWLEDGE
    while time.monotonic() < deadline:
        now = jobs.get(db, job.job_id)
        row = workers.get(db, owner.worker_id)
        if now.status.is_terminal or (row is not None and row.beat != owner.beat):
            return CancelOutcome(now, acknowledged=True)
        if takeover.is_dead(owner):
            return CancelOutcome(takeover.bury_owner(db, settings, job, owner), acknowledged=True)
        time.sleep(_LOOK_AGAIN)  # the sign is a row that another process writes: no event comes
    if force:
        return CancelOutcome(takeover.force(db, job, owner), acknowledged=False)
    return CancelOutcome(jobs.get(db, job.job_id), acknowledged=False)


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
