"""``AsyncWorker``: the supervisor. Owns the store, decides, and tells its spawner what to do."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from contextlib import ExitStack
from signal import SIGHUP, SIGUSR1, SIGUSR2

import agentsd
from agentsd.clock import utc_now
from agentsd.faults import reach
from agentsd.model import Worker
from agentsd.store import workers
from agentsd.store.database import open_store
from agentsd.store.health import refuse_damaged
from agentsd.store.ids import new_id
from agentsd.store.logs import remove_spare_logs
from agentsd.store.paths import StateDir, runtime_dir
from agentsd.store.settings import Settings, load_settings
from agentsd.store.transaction import Actor
from agentsd.supervisor.containment import choose
from agentsd.supervisor.duties import Duties
from agentsd.supervisor.fleet import Fleet
from agentsd.supervisor.guard import SpawnerGuard
from agentsd.supervisor.ledger import RETRY_BROKEN, RETRY_BUSY, Ledger, Written
from agentsd.supervisor.notices import Listener, Notice, about, silent
from agentsd.supervisor.orders import OrderBook
from agentsd.supervisor.remnants import is_provably_dead
from agentsd.supervisor.running import Stage
from agentsd.supervisor.shutdown import Shutdown
from agentsd.supervisor.signals import SignalInbox
from agentsd.supervisor.timers import Timers
from agentsd.supervisor.wakeup import WakeupSocket
from agentsd.workers import kernel
from agentsd.workers.identity import Identity
from agentsd.workers.title import set_title


class AsyncWorker:
    """One supervisor. ``run()`` is its whole life; a second one needs a new object.

    *drain*: end when nothing is queued and nothing runs. *listener* is told what happens.
    """

    def __init__(
        self, state: StateDir, settings: Settings, *, drain: bool = False, listener: Listener = silent
    ) -> None:
        self.state, self.settings, self.listener = state, settings, listener
        self.drain = drain
        self.worker_id = new_id()
        self.exit_code = 0
        self.selector = selectors.DefaultSelector()
        self.timers = Timers()
        self._callbacks: list[Callable[[], None]] = []
        self._look = True
        self._last_tick = time.monotonic()
        self._title = ""

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

    # -- start and stop -----------------------------------------------------------------------------

    def _start(self) -> None:
        """Spawner first: no database handle may exist in a process that forks jobs."""
        kernel.adopt_orphans()
        with ExitStack() as undo:  # a start that fails leaves no process, no socket and no connection
            undo.callback(self.selector.close)
            self.guard = SpawnerGuard(
                self.worker_id, self.selector, self.timers, self.listener, lambda: self.settings.preload,
                choose(self.settings.containment, self.worker_id, self.listener),
                str(self.state.spare_logs / self.worker_id),
            )  # fmt: skip
            undo.callback(self.guard.finish)
            for directory in (
                self.state.logs,
                self.state.spare_logs,
                self.state.sandboxes,
                self.state.apply,
                self.state.locks,
            ):
                directory.mkdir(mode=0o700, exist_ok=True)
            self.db = open_store(self.state, Actor.current(self.worker_id))
            undo.callback(self.db.close)
            refuse_damaged(self.db)
            self.wakeup = WakeupSocket(runtime_dir(), self.worker_id)
            undo.callback(self.wakeup.close)
            self._assemble()
            self._register()
            undo.pop_all()
        live = [row.worker_id for row in workers.list_workers(self.db) if not is_provably_dead(row)]
        remove_spare_logs(self.state.spare_logs, live)
        self.ledger.beaten_at = time.monotonic()
        self.duties.begin()
        self.listener(
            Notice(
                "worker_started",
                {"worker_id": self.worker_id, "pid": os.getpid(), "slots": self.settings.max_workers},
            )
        )

    def _assemble(self) -> None:
        """Make the parts and connect them."""
        book = OrderBook(self.db, self.settings)
        self.ledger = Ledger(self.db, self.worker_id, book.prepare, beat_due=False)
        self.fleet = Fleet(
            book, self.ledger, self.timers, self.selector, self.listener,
            self.settings, spawner=self.guard.spawner,
        )  # fmt: skip
        self.guard.fleet = self.fleet
        self.shutdown = Shutdown(self.fleet, self.timers, self.listener)
        self.duties = Duties(self)
        self.selector.register(self.signals, selectors.EVENT_READ, self._take_signals)
        self.selector.register(self.wakeup, selectors.EVENT_READ, self._take_pokes)

    def _register(self) -> None:
        """Write this supervisor's row; from now on others see it."""
        with self.db.write() as tx:
            workers.register(tx, self._row())

    def _row(self) -> Worker:
        me, now = Identity.current(), utc_now()
        return Worker(
            worker_id=self.worker_id, host=os.uname().nodename, boot_id=me.boot_id, pid_namespace=me.pid_namespace,
            pid=me.pid, pid_start=me.start, uid=os.getuid(), state="running", max_workers=self.settings.max_workers,
            ttl=self.settings.job_ttl, beat=0, started_at=now, last_heartbeat=now, jobs_processed=0, running=0,
            socket_path=str(self.wakeup.path), spawner_pid=self.guard.spawner.pid, version=agentsd.__version__,
        )  # fmt: skip

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

    def _stop(self) -> None:
        """Trees first, then the row, then the store."""
        reach("stop.begin")
        self.guard.finish()
        self.fleet.dismiss()
        reach("stop.swept")
        for callback in self._callbacks:
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - one hook must not keep the others from running
                self.listener(Notice("hook_failed", {"error": f"{type(error).__name__}: {error}"}, "error"))
        self.wakeup.close()
        reach("stop.unregister")
        self._unregister()
        reach("stop.unregistered")
        self.selector.close()
        self.listener(Notice("worker_stopped", {"worker_id": self.worker_id, "exit_code": self.exit_code}))

    def _unregister(self) -> None:
        reason = self.duties.broken or "stopped"
        try:
            if self.db.is_still_there():
                with self.db.write() as tx:
                    # With a running job left, the row stays open: whoever comes next judges it and ends that job.
                    if self.ledger.last_words(tx):
                        workers.end(
                            tx,
                            self.worker_id,
                            state="stopped",
                            reason=reason,
                            processed=self.ledger.processed,
                        )
            self.db.close()
        except Exception as error:  # noqa: BLE001 - it is over; the next start finds the row and closes it
            self.listener(Notice("store_unwritable", {"error": str(error)}, "error"))

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

    def look(self) -> None:
        """Read the store in this turn: something may have changed."""
        self._look = True

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
