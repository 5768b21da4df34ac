"""The start and the stop of a supervisor, in an order in which nothing is left behind; what it does in between is in ``worker``."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from contextlib import ExitStack

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
from agentsd.store.settings import Settings
from agentsd.store.transaction import Actor
from agentsd.supervisor.containment import choose
from agentsd.supervisor.duties import Duties
from agentsd.supervisor.fleet import Fleet
from agentsd.supervisor.guard import SpawnerGuard
from agentsd.supervisor.ledger import Ledger
from agentsd.supervisor.notices import Listener, Notice, silent
from agentsd.supervisor.orders import OrderBook
from agentsd.supervisor.remnants import is_provably_dead
from agentsd.supervisor.shutdown import Shutdown
from agentsd.supervisor.signals import SignalInbox
from agentsd.supervisor.timers import Timers
from agentsd.supervisor.wakeup import WakeupSocket
from agentsd.workers import kernel
from agentsd.workers.identity import Identity


class Lifetime:
    """What a supervisor is made of, how that comes to be and how it ends.

    *drain*: end when nothing is queued and nothing runs. *listener* is told what happens.
    """

    signals: SignalInbox

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

    # -- what it hears, which is for the loop ---------------------------------------------------------

    def look(self) -> None:
        """Read the store in this turn: something may have changed."""
        self._look = True

    def _take_signals(self) -> None:
        raise NotImplementedError

    def _take_pokes(self) -> None:
        raise NotImplementedError
