"""What a supervisor does from time to time: beat, look, judge others, prune, see that its store is there."""

from __future__ import annotations

import signal
import time
from typing import Protocol

from agentsd.faults import reach
from agentsd.model import AsyncJob
from agentsd.store import retention, workers
from agentsd.store.claims import jobs_of, something_is_queued
from agentsd.store.database import Database
from agentsd.store.paths import StateDir
from agentsd.store.settings import Settings
from agentsd.supervisor import remnants
from agentsd.supervisor.fleet import Fleet
from agentsd.supervisor.guard import SpawnerGuard
from agentsd.supervisor.ledger import Ledger
from agentsd.supervisor.notices import Listener, Notice, about
from agentsd.supervisor.reaper import Dead, Reaper, bury
from agentsd.supervisor.timers import Timers
from agentsd.workers.process import kill_identified
from agentsd.workers.sweep import STUCK_AFTER, Standstill
from agentsd.workers.sweeper import LOOK_AT_STUCK

LONGEST_BEAT = 10.0
"""Seconds between heartbeats at most; a quarter of the TTL if that is less."""
PRUNE_PAUSE = 0.05
"""Seconds between slices of pruning."""
BURIAL_PAUSE = 0.02


class Owner(Protocol):
    """The supervisor whose duties these are, as far as they need it."""

    worker_id: str
    exit_code: int
    state: StateDir
    settings: Settings
    db: Database
    timers: Timers
    ledger: Ledger
    fleet: Fleet
    guard: SpawnerGuard
    listener: Listener

    def look(self) -> None:
        """Read the store in this turn."""
        ...


class Duties:
    """The timers of one supervisor."""

    def __init__(self, worker: Owner) -> None:
        self._worker = worker
        self.reaper = Reaper(worker.worker_id, worker.settings.job_ttl)
        self.broken = ""
        """Why this supervisor must end at once; empty while all is well."""
        self._data_version: int | None = None
        self._looked_at = self._others_wrote_at = self._others_write_since = time.monotonic()
        self._unwritable = ""
        self._burying: set[str] = set()

    def begin(self) -> None:
        """Start every timer, or start them anew under changed settings."""
        self.reaper.ttl = self._worker.settings.job_ttl
        self._poll()
        self._worker.timers.set("beat", self._beat_interval(), self._beat)
        self._worker.timers.set("prune", min(1.0, self._prune_interval()), self._prune)

    def _beat_interval(self) -> float:
        return min(self._worker.settings.job_ttl / 4, LONGEST_BEAT)

    def _prune_interval(self) -> float:
        return min(max(self._worker.settings.retention / 10, 1.0), 3600.0)

    # -- beat and poll ------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Say that this supervisor lives, and ask its spawner whether it does."""
        self._worker.timers.set("beat", self._beat_interval(), self._beat)
        reach("beat.begin")
        self._see_that_the_store_is_there()
        self._worker.ledger.beat_due = True
        self._worker.guard.ping()

    def _poll(self) -> None:
        """The safety net beside the wake-up socket: see whether the store has changed."""
        interval = min(self._worker.settings.poll_interval, self._beat_interval())
        self._worker.timers.set("poll", interval, self._poll)
        try:
            version = self._worker.db.read("PRAGMA data_version")[0][0]
            self._notice_own_silence(others_wrote=version != self._data_version)
            self._judge_others()
        except Exception as error:  # noqa: BLE001 - whatever SQLite says, the loop goes on enforcing
            self.store_failed(str(error))
            return
        if version != self._data_version:
            self._data_version = version
            self._worker.look()

    def queue_is_empty(self) -> bool:
        """Whether there is nothing to claim."""
        try:
            return not something_is_queued(self._worker.db)
        except Exception as error:  # noqa: BLE001 - what cannot be read is not known to be empty
            self.store_failed(str(error))
            return False

    def store_failed(self, problem: str) -> None:
        """The store cannot be read or written now: say so once, and try again."""
        if problem != self._unwritable:
            self._unwritable = problem
            self._worker.listener(Notice("store_unwritable", {"error": problem}, "error"))
        self._see_that_the_store_is_there()

    def _see_that_the_store_is_there(self) -> None:
        if not self._worker.db.is_still_there():
            self.give_up(f"{self._worker.db.gone()} was moved, deleted or replaced.")

    def store_works(self) -> None:
        """A commit went through."""
        if self._unwritable:
            self._unwritable = ""
            self._worker.listener(Notice("store_writable", {}))

    def give_up(self, why: str) -> None:
        """This supervisor works on a store that is not the others': end every job and itself."""
        if self.broken:
            return
        self.broken = why
        self._worker.exit_code = 1
        self._worker.listener(Notice("worker_broken", {"error": why}, "error"))
        self._worker.fleet.end_all("worker_lost", 0.0, signal.SIGKILL)

    # -- others -------------------------------------------------------------------------------------

    def _notice_own_silence(self, *, others_wrote: bool) -> None:
        """Give up if no beat could be written for a TTL in which others could write: to them this one is dead.

        While nobody can write (a full disk, a writer that is stopped) nobody is silent: that is waited out. So
        what counts are writes of others without a gap in which nobody wrote.
        """
        now, ttl = time.monotonic(), self._worker.settings.job_ttl
        if others_wrote:
            if now - self._others_wrote_at > ttl / 2:
                self._others_write_since = now
            self._others_wrote_at = now
        if self._others_wrote_at - max(self._others_write_since, self._worker.ledger.beaten_at) >= ttl:
            self.give_up(
                f"It could not write to the store for {ttl:g} s, but others could. {self._unwritable}"
            )

    def _judge_others(self) -> None:
        """Find supervisors that are dead, and begin to bury each once.

        The time is taken before the rows are read: whoever is stopped in between does not take old rows for
        new ones. Who could not look or write itself for a while learns nothing from the silence of others.
        """
        now, patience, in_the_way = time.monotonic(), self._worker.settings.job_ttl / 2, ""
        others = workers.list_workers(self._worker.db)
        if now - self._looked_at > patience:
            self.reaper.forget()
        elif now - self._worker.ledger.beaten_at > patience:
            in_the_way = self._in_the_way()
            self.reaper.forget(all_but=in_the_way)
        self._looked_at = now
        wrote = self._worker.ledger.beaten_at
        for dead in self.reaper.observe(others, now, wrote=wrote, in_the_way=in_the_way):
            if dead.worker.worker_id not in self._burying:
                left = jobs_of(self._worker.db, dead.worker.worker_id)
                self._burying.add(dead.worker.worker_id)
                self._bury(dead, left)

    def _in_the_way(self) -> str:
        """The supervisor that was stopped in a transaction, because of which nobody can write; its silence counts.

        Declared lost, gone on, and stopped again before it noticed, it is judged by nobody any more: it is ended.
        """
        holder = self._worker.db.mutex.holder_pid()
        for each in workers.list_workers(self._worker.db, include_ended=True):
            if each.pid == holder and remnants.is_stopped(each):
                if each.ended_at is not None:
                    kill_identified(each.pid)
                return each.worker_id
        return ""

    def _bury(self, dead: Dead, left: list[AsyncJob], standstill: Standstill | None = None) -> None:
        """One round of a burial. Whatever goes wrong, the dead is judged anew at the next poll, not forgotten."""
        try:
            self._bury_round(dead, left, standstill)
        except Exception as error:  # noqa: BLE001 - a full disk, no memory: the loop goes on enforcing
            self._burying.discard(dead.worker.worker_id)
            self.store_failed(str(error))

    def _bury_round(self, dead: Dead, left: list[AsyncJob], standstill: Standstill | None) -> None:
        """First end what is left of its jobs, round by round; then write their ends."""
        reach("reap.judged")
        if not self._is_still_silent(dead):
            self._burying.discard(dead.worker.worker_id)
            return
        standstill = standstill or Standstill(STUCK_AFTER)
        try:
            found = remnants.end_round(dead.worker, left) if remnants.is_reachable(dead.worker) else []
        except OSError:  # no descriptor left, say: nothing is known, so nothing is over
            self._again(dead, left, standstill, LOOK_AT_STUCK)
            return
        if found:
            # What KILL does not end is waited for, but not with all of a CPU.
            pause = LOOK_AT_STUCK if standstill.holds_for(found) else BURIAL_PAUSE
            self._again(dead, left, standstill, pause)
            return
        reach("reap.swept")
        with self._worker.db.try_write() as tx:
            if tx is None:
                self._end_if_in_the_way(dead)
                self._again(dead, left, standstill)
                return
            buried = bury(tx, dead, left, max_attempts=self._worker.settings.max_attempts)
        self._burying.discard(dead.worker.worker_id)
        if buried is None:
            return
        reach("reap.committed")
        self._worker.listener(
            Notice("worker_reaped", {"worker_id": dead.worker.worker_id, "reason": dead.reason}, "warning")
        )
        for job in buried:
            self._worker.listener(about("job_reaped", job, "warning", reason=dead.reason))
        self._worker.look()

    def _is_still_silent(self, dead: Dead) -> bool:
        """Look again before each round of KILL: who was stopped may have gone on, with new processes.

        Judged, then the machine sleeps in the middle of the burial: who wakes up beside this process is judged anew.
        """
        if dead.gone:
            return True
        if not self.reaper.stands_by(dead):
            return False
        try:
            row = workers.get(self._worker.db, dead.worker.worker_id)
        except Exception as error:  # noqa: BLE001 - what is not known kills nobody: judged anew at the next poll
            self.store_failed(str(error))
            return False
        return row is not None and row.beat == dead.worker.beat

    def _end_if_in_the_way(self, dead: Dead) -> None:
        """End a supervisor that was stopped in the middle of a transaction.

        It holds the mutex and SQLite's own lock for as long as it is stopped: neither its burial nor
        anything else could be written before somebody continues it.
        """
        if self._worker.db.mutex.holder_pid() == dead.worker.pid and remnants.is_stopped(dead.worker):
            kill_identified(dead.worker.pid)

    def _again(
        self, dead: Dead, left: list[AsyncJob], standstill: Standstill, pause: float = BURIAL_PAUSE
    ) -> None:
        name = f"bury {dead.worker.worker_id}"
        self._worker.timers.set(name, pause, lambda: self._bury(dead, left, standstill))

    # -- retention ----------------------------------------------------------------------------------

    def _prune(self) -> None:
        """One slice of what has expired; the next one soon if there may be more."""
        pause = self._prune_interval()
        db, before = self._worker.db, retention.cutoff(self._worker.settings.retention)
        try:
            gone = retention.expired(db, before, retention.SLICE)
            retention.remove_logs(self._worker.state, gone)
            with db.try_write(durable=False) as tx:
                if tx is None or len(gone) == retention.SLICE:
                    pause = PRUNE_PAUSE
                if tx is not None:
                    retention.delete(tx, gone, before)
        except Exception as error:  # noqa: BLE001 - pruning can wait
            self.store_failed(str(error))
        else:
            if gone:
                self._worker.listener(Notice("pruned", {"jobs": len(gone)}, "debug"))
        self._worker.timers.set("prune", pause, self._prune)
