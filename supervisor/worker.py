"""``AsyncWorker``: the supervisor. Owns the store, decides, and tells its spawner what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from signal import SIGHUP, SIGUSR1, SIGUSR2

from agentsd.store.settings import load_settings
from agentsd.supervisor.ledger import RETRY_BROKEN, RETRY_BUSY, Written
from agentsd.supervisor.lifetime import Lifetime
from agentsd.supervisor.notices import Notice, about
from agentsd.supervisor.running import Stage
from agentsd.supervisor.signals import SignalInbox
from agentsd.workers.title import set_title


class AsyncWorker(Lifetime):
    """One supervisor. ``run()`` is its whole life; a second one needs a new object.

    *drain*: end when nothing is queued and nothing runs. *listener* is told what happens.
    """

    def on_shutdown(self, callback: Callable[[], None]) -> None:
        """Have *callback* called when the last job has ended, before the store is closed."""
        self._callbacks.append(callback)

    def run(self) -> int:
        """Work until told to stop. Returns the exit code: 0 after a graceful stop.

        Raises StoreError if the store cannot be opened.
        """
        with SignalInbox() as self.signals:
            self._start()
            try:
                while not self._is_done():
                    self._tick()
            finally:
                self._stop()
        return self.exit_code

    def _is_done(self) -> bool:
        """Whether there is nothing left to do for a supervisor that is to end."""
        all_ended = all(running.stage is Stage.ENDED for running in self.fleet.running.values())
        if self.duties.broken:
            return all_ended  # its store is not the others' any more: nothing is to be written there
        if self.shutdown.impatient and self.ledger.problem and all_ended:
            self.exit_code = 1  # the store cannot be written: the next start finds the rows and ends them
            return True
        if self.shutdown.impatient and self.fleet.is_stuck() and self.ledger.is_empty:
            self.exit_code = 1  # the next start waits for those processes, and then ends the rows
            return True
        # Whether it is to end may have to be read, so it is asked last.
        return not self.fleet.running and self.ledger.is_empty and self.is_to_end()

    @property
    def standbys(self) -> int:
        """How many processes wait for the next jobs, while there may be any."""
        return min(self.settings.standbys, self.settings.max_workers)

    def is_to_end(self) -> bool:
        """Whether this supervisor ends as soon as nothing runs."""
        return self.shutdown.begun or (self.drain and self.duties.queue_is_empty())

    # -- the loop -----------------------------------------------------------------------------------

    def _tick(self) -> None:
        """One turn: hear everything, do what is due, write once, tell the spawner."""
        ready = self.selector.select(0 if self._look else self.timers.patience())
        self._notice_gap()
        for key, _ in ready:
            key.data()
        self.timers.run_due()
        if self.guard.given_up:
            self.duties.give_up("Its spawners die again and again; the log says how.")
        if self._look:
            self._look = False
            self._obey_store()
        self._write()
        self.guard.want(self._processes_wanted())
        if self.guard.flush():
            self.fleet.give_orders()
        self._show_title()

    def _notice_gap(self) -> None:
        """This process was stopped, or the machine suspended: what it has observed of others is void."""
        now = time.monotonic()
        if now - self._last_tick > self.settings.job_ttl / 2:
            self.duties.reaper.forget()
            self.guard.spawner.forgive()
            self.ledger.beaten_at = now  # silence counts in awake time only
            self._look = True
        self._last_tick = now

    def _take_signals(self) -> None:
        for number in self.signals.take():
            self.on_signal(number)

    def on_signal(self, number: int) -> None:
        """What a signal means to this supervisor."""
        if number == SIGUSR1:
            self._reload()
            return
        if number == SIGUSR2:
            self.shutdown.drain()
        elif number == SIGHUP:
            self.shutdown.hang_up(self.settings)
        else:
            self.shutdown.step(self.settings)
        self.ledger.beat_due = True  # whoever looks sees at once that it takes no more jobs

    def _take_pokes(self) -> None:
        self._look = self.wakeup.take() or self._look

    def _obey_store(self) -> None:
        try:
            self.fleet.obey(self.ledger.requests())
        except Exception as error:  # noqa: BLE001 - whatever SQLite says, the loop goes on enforcing
            self.duties.store_failed(str(error))
            # Not seen is not unchanged: a cancel that was asked for meanwhile must not be forgotten.
            self.timers.set("look again", RETRY_BROKEN, self.look)

    def _write(self) -> None:
        """Write and claim until there is nothing more to write now."""
        while True:
            self.fleet.match()
            # A job is claimed for a process that is there.
            room = min(self.room(), len(self.fleet.ready)) if self._is_accepting else 0
            written = self._commit(room)
            if written is None:
                return
            self.duties.store_works()
            self._act_on(written)
            # An end may have let another job start that waited for it.
            if self.ledger.is_empty and not written.finished:
                return

    def _commit(self, room: int) -> Written | None:
        state = "draining" if self.shutdown.begun else "running"
        written = self.ledger.commit(room=room, running=len(self.fleet.running), state=state)
        if written is None:
            self.timers.set("retry", RETRY_BROKEN if self.ledger.problem else RETRY_BUSY, lambda: None)
            if self.ledger.problem:
                self.duties.store_failed(self.ledger.problem)
        return written

    def _act_on(self, written: Written) -> None:
        if not written.row_is_ours:
            self.duties.give_up("Another worker has declared this one lost (it was silent for too long).")
        for running, ending, next_job in written.finished:
            self.fleet.forget(running)
            if running.lost:  # others have ended the row, and that was said already
                continue
            self.listener(
                about("job_ended", ending.job, status=ending.status, reason=ending.reason, error=ending.error,
                      next_job=next_job and next_job.job_id)
            )  # fmt: skip
        for running in written.started:
            self.fleet.lead(running)
        for running in written.disowned:
            self.fleet.disown(running)
        for running in written.claimed:
            self.listener(about("job_claimed", running.job))
            self.fleet.take(running)

    @property
    def _is_accepting(self) -> bool:
        return not (self.shutdown.begun or self.duties.broken)

    def _processes_wanted(self) -> int:
        """How many processes are to wait, with those that wait already."""
        lacking = self.fleet.lacking
        if not self._is_accepting:
            return lacking
        if not self.standbys and self.room() and not self.duties.queue_is_empty():
            return max(lacking, 1)  # nobody waits for a job, so a job waits for one
        return max(lacking, self.standbys)

    def room(self) -> int:
        """How many more jobs may run."""
        going_to_end = len(self.ledger.endings)
        return max(0, self.settings.max_workers - len(self.fleet.running) + going_to_end)

    # -- settings and title -------------------------------------------------------------------------

    def _reload(self) -> None:
        """Read the configuration again; a wrong one is reported and changes nothing."""
        try:
            self.settings = load_settings()
        except Exception as error:  # noqa: BLE001 - a typo must not end a running worker
            self.listener(Notice("reload_failed", {"error": str(error)}, "error"))
            return
        self.fleet.settings = self.fleet.book.settings = self.settings
        self.duties.begin()
        self.ledger.limits = (self.settings.max_workers, self.settings.job_ttl)
        self.listener(Notice("config_reloaded", {"slots": self.settings.max_workers}))

    def _show_title(self) -> None:
        title = (
            f"agents worker {self.worker_id} {len(self.fleet.running)}/{self.settings.max_workers} running"
            f"{', takes no more' if self.shutdown.begun else ''}"
        )
        if title != self._title:
            self._title = title
            set_title(title)
