"""Running one phase of one plan in the foreground: a supervisor that is bounded to that job.

The same machine as in the background, so that a plan behaves the same in both. The row is inserted and
claimed in one transaction, so no other worker can take it, and this one takes nothing else. INT, TERM and
HUP cancel the job.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from agentsd.model import JSON, AsyncJob, Phase
from agentsd.store import claims, jobs, workers
from agentsd.store.claims import CancelRequest
from agentsd.store.paths import StateDir
from agentsd.store.settings import Settings
from agentsd.store.transaction import Transaction
from agentsd.supervisor.client import Client, plan_timeout
from agentsd.supervisor.ledger import Written
from agentsd.supervisor.notices import Listener, silent
from agentsd.supervisor.running import RunningJob
from agentsd.supervisor.worker import AsyncWorker

Progress = Callable[[dict[str, Any]], None]
SHOW_AGAIN = 1.0
"""Seconds after which the progress is shown again."""
_NO_PAYLOAD: Mapping[str, JSON] = MappingProxyType({})


class ForegroundWorker(AsyncWorker):
    """A supervisor for one job."""

    def __init__(
        self,
        state: StateDir,
        settings: Settings,
        plan_id: str,
        phase: Phase,
        *,
        on_progress: Progress,
        payload: Mapping[str, JSON] = _NO_PAYLOAD,
        retried: AsyncJob | None = None,
        listener: Listener = silent,
    ) -> None:
        super().__init__(state, settings, listener=listener)
        self._plan_id, self._phase, self._on_progress = plan_id, phase, on_progress
        self._payload, self._retried = payload, retried
        self.job: AsyncJob | None = None
        self._interrupted = 0

    def _register(self) -> None:
        """Write this supervisor's row and its one job, claimed from birth."""
        self.fleet.on_progress = self._show
        self.ledger.keeps_successors = True
        with self.db.write() as tx:
            workers.register(tx, self._row())
            job = self._claim(tx, self._insert(tx))
        self.fleet.take(self.ledger.prepare(job))

    def _insert(self, tx: Transaction) -> AsyncJob:
        if self._retried is not None:
            return jobs.insert_retry(tx, self._retried)
        timeout = plan_timeout(self.db, self._plan_id, self._phase)
        return jobs.insert_for_plan(tx, self._plan_id, self._phase, self._payload, timeout=timeout)

    def _claim(self, tx: Transaction, queued: AsyncJob) -> AsyncJob:
        """Claim what this very transaction has queued."""
        self.job = claims.claim_one(tx, self.worker_id, queued.job_id) or queued
        return self.job

    def _show(self, running: RunningJob) -> None:
        """Show how far the job is, and again in a second: what is shown has a clock in it."""
        self._on_progress(orjson.loads(running.progress or "null"))
        self.timers.set("show again", SHOW_AGAIN, lambda: self._show_again(running))

    def _show_again(self, running: RunningJob) -> None:
        if running.job.job_id in self.fleet.running:
            self._show(running)

    @property
    def standbys(self) -> int:
        """None: there is no next job."""
        return 0

    def room(self) -> int:
        """None: this supervisor takes nothing from the queue."""
        return 0

    def is_to_end(self) -> bool:
        """As soon as its job has ended."""
        return True

    def on_signal(self, number: int) -> None:
        """The first signal cancels the job, the next one kills it; what steers workers means nothing here.

        A terminal that is closed says so twice (shell and kernel): SIGHUP is never "the next one".
        """
        if number in (signal.SIGUSR1, signal.SIGUSR2):
            return
        self._interrupted = number
        for running in list(self.fleet.running.values()):
            if running.cancel is None:
                why = f"interrupted by {signal.Signals(number).name}"
                self.fleet.cancel(running, CancelRequest(running.job.job_id, self.db.actor.by, why, None))
            elif number != signal.SIGHUP:
                self.fleet.end(running, "cancelled", 0.0, signal.SIGKILL)

    def _act_on(self, written: Written) -> None:
        # With async.max_attempts a failed job has a successor: that is this run's job, too.
        for running in written.claimed:
            self.job = running.job
        super()._act_on(written)
        if (
            self._interrupted and written.claimed
        ):  # it came when the job before had ended, and had nothing to cancel
            self.on_signal(self._interrupted)


def run_in_foreground(
    client: Client,
    plan_id: str,
    phase: Phase,
    *,
    on_progress: Progress,
    payload: Mapping[str, JSON] = _NO_PAYLOAD,
    retried: AsyncJob | None = None,
) -> AsyncJob:
    """Run *phase* of a plan to its end, here and now; returns the job as it ended.

    *on_progress* gets the job's progress whenever it changes, and every second. *retried*: the job that has ended and that this one is
    a new attempt at. Raises ConflictError, NotFoundError.
    """
    client.bury_dead_owner(plan_id)
    worker = ForegroundWorker(
        client.state,
        client.settings,
        plan_id,
        phase,
        on_progress=on_progress,
        payload=payload,
        retried=retried,
    )
    worker.run()
    assert worker.job is not None  # noqa: S101 - the transaction that made it has been committed
    return client.get(worker.job.job_id)
