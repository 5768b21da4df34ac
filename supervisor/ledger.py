"""Group commit: one transaction a tick carries all that a supervisor has to write.

The supervisor is the only writer of the jobs it owns, and it never waits for the writer mutex: if another
process holds it, or the disk is full, what is to be written stays here and is tried again, while deadlines
and cancels go on being enforced.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from agentsd.errors import StoreError
from agentsd.faults import reach
from agentsd.model import JSON, AsyncJob
from agentsd.store import claims, workers
from agentsd.store.claims import CancelRequest, Ending
from agentsd.store.database import Database
from agentsd.supervisor.running import ReadyProcess, RunningJob

RETRY_BUSY, RETRY_BROKEN = 0.005, 1.0
"""Seconds until the next try: the mutex was held; the store could not be written."""


@dataclass(slots=True)
class Written:
    """What a commit has done."""

    claimed: list[RunningJob] = field(default_factory=list[RunningJob])
    """Most with the process that was stored with the claim."""
    started: list[RunningJob] = field(default_factory=list[RunningJob])
    disowned: list[RunningJob] = field(default_factory=list[RunningJob])
    """Jobs whose row others had ended before their process could be recorded."""
    finished: list[tuple[RunningJob, Ending, AsyncJob | None]] = field(
        default_factory=list[tuple[RunningJob, Ending, AsyncJob | None]]
    )
    """Each with the successor that was queued."""
    row_is_ours: bool = True
    """False: others have declared this supervisor lost."""
    beaten: bool = False
    """Whether a beat was among it."""


@dataclass(slots=True)
class Ledger:
    """What is to be written, and the writing."""

    db: Database
    worker_id: str
    prepare: Callable[[AsyncJob], RunningJob]
    """What a row that is being claimed takes to run; reads only."""
    ready: deque[ReadyProcess] = field(default_factory=deque[ReadyProcess])
    """Processes that wait for jobs: what is claimed gets one in the same transaction."""
    starts: list[RunningJob] = field(default_factory=list[RunningJob])
    """Jobs that were claimed before they had a process, and have one now."""
    parted: list[RunningJob] = field(default_factory=list[RunningJob])
    """Jobs that have lost their process before they began, and wait for another one."""
    endings: list[tuple[RunningJob, Ending]] = field(default_factory=list[tuple[RunningJob, Ending]])
    progress: list[RunningJob] = field(default_factory=list[RunningJob])
    notes: list[tuple[RunningJob, dict[str, JSON]]] = field(
        default_factory=list[tuple[RunningJob, dict[str, JSON]]]
    )
    """What happened to a job that is no change of its state."""
    beat_due: bool = True
    spawner_pid: int | None = None
    limits: tuple[int, float] | None = None
    """``max_workers`` and ``ttl`` after the configuration was read again."""
    problem: str = ""
    """Why the last try failed; empty after a success."""
    processed: int = 0
    keeps_successors: bool = False
    """Whether a successor is claimed in the transaction that queues it, so that nobody else can."""
    beaten_at: float = field(default_factory=time.monotonic)
    """When the last beat was written, in awake time."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be written (a claim aside)."""
        rare = self.beat_due or self.spawner_pid or self.limits
        return not (self.starts or self.parted or self.endings or self.progress or self.notes or rare)

    def requests(self) -> dict[str, CancelRequest | None]:
        """The jobs that the store says this supervisor owns, and the cancels that are asked of it. Reads only."""
        return claims.own_jobs(self.db, self.worker_id)

    def commit(self, *, room: int, running: int, state: str) -> Written | None:
        """Write everything and claim up to *room* jobs. Returns None if it could not be written now."""
        try:
            # Where a commit is due anyway, a claim that finds nothing costs no more than a look beforehand.
            claiming = room > 0 and (bool(self.endings) or claims.something_is_queued(self.db))
            if self.is_empty and not claiming:
                return Written()
            # What decides ownership or is acknowledged is on the disk before it is acted on.
            durable = claiming or bool(self.endings)
            with self.db.try_write(durable=durable) as tx:
                if tx is None:
                    return None
                written = self._write(tx, room if claiming else 0, running, state)
        except (sqlite3.Error, StoreError, OSError) as error:
            self.problem = str(error.__context__ or error)
            return None
        if written.beaten:
            self.beaten_at = time.monotonic()
        self._reach(written)
        self._forget_written()
        return written

    def _write(self, tx: claims.Transaction, room: int, running: int, state: str) -> Written:
        written = Written()
        for job, ending in self.endings:
            following = claims.finish(tx, ending, self.worker_id)
            written.finished.append((job, ending, following))
            if (
                following
                and self.keeps_successors
                and (kept := claims.claim_one(tx, self.worker_id, following.job_id))
            ):
                written.claimed.append(self.prepare(kept))
        for job in self.parted:
            claims.mark_parted(tx, job.job.job_id, self.worker_id)
        for job in self.starts:
            (written.started if self._store_process(tx, job) else written.disowned).append(job)
        for job, detail in self.notes:
            claims.note(tx, job.job.job_id, self.worker_id, detail)
        for job in self.progress:
            claims.save_progress(tx, job.job.job_id, self.worker_id, job.progress or "null")
        if room:
            # Stopped for a TTL and woken up, this supervisor may have been declared lost: what it claimed now,
            # nobody would end if it died.
            written.row_is_ours = workers.is_live(tx, self.worker_id)
        if room and written.row_is_ours:
            written.claimed += self._claim(tx, room)
        if self.spawner_pid:
            workers.set_spawner(tx, self.worker_id, self.spawner_pid)
        if self.limits:
            workers.set_limit(tx, self.worker_id, *self.limits)
        if self.beat_due or self.endings or written.claimed:  # what it runs and has done is never out of date
            reach("beat.write")
            written.beaten = True
            written.row_is_ours = workers.beat(
                tx,
                self.worker_id,
                running=running - len(self.endings) + len(written.claimed),
                processed=self.processed + len(self.endings),
                state=state,
            )
        if self.beat_due:  # the rows of jobs are large: only from beat to beat, not at each commit
            workers.beat_for_jobs(tx, self.worker_id)
        return written

    def _claim(self, tx: claims.Transaction, room: int) -> list[RunningJob]:
        """Claim, and give each job one of the processes that wait."""
        processes = iter([*self.ready])
        claimed = [self.prepare(job) for job in claims.claim(tx, self.worker_id, room)]
        for running in claimed:
            if not running.refused and (process := next(processes, None)):
                running.match(process)
                self._store_process(tx, running)
        return claimed

    def _store_process(self, tx: claims.Transaction, running: RunningJob) -> bool:
        """Whether the job is still this supervisor's."""
        assert running.process is not None  # noqa: S101 - it was matched
        pid, start, _ = running.process
        return claims.mark_started(tx, running.job, self.worker_id, pid, start)

    def _reach(self, written: Written) -> None:
        """What was written is durable, and nothing is done about it yet."""
        for point, jobs in (
            ("claim.committed", written.claimed),
            ("start.stored", written.started or [running for running in written.claimed if running.process]),
            ("finish.committed", written.finished),
        ):
            if jobs:
                reach(point)

    def last_words(self, tx: claims.Transaction) -> bool:
        """Write the ends that are left; returns whether this supervisor owns no running job any more."""
        for _, ending in self.endings:
            claims.finish(tx, ending, self.worker_id)
        return not claims.own_jobs(tx, self.worker_id)

    def _forget_written(self) -> None:
        self.processed += len(self.endings)
        self.starts.clear()
        self.parted.clear()
        self.endings.clear()
        self.progress.clear()
        self.notes.clear()
        self.beat_due = False
        self.spawner_pid = self.limits = None
        self.problem = ""
