"""A supervisor that takes one step at a time, so that anything may happen between two of its transactions."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable
from dataclasses import replace

from agentsd.model import Worker
from agentsd.store import workers
from agentsd.store.database import open_store
from agentsd.store.paths import StateDir, runtime_dir
from agentsd.store.settings import Settings
from agentsd.store.transaction import Actor
from agentsd.supervisor.duties import Duties
from agentsd.supervisor.fleet import Fleet
from agentsd.supervisor.guard import SpawnerGuard
from agentsd.supervisor.ledger import Ledger, Written
from agentsd.supervisor.notices import Listener
from agentsd.supervisor.orders import OrderBook
from agentsd.supervisor.shutdown import Shutdown
from agentsd.supervisor.timers import Timers
from agentsd.supervisor.wakeup import WakeupSocket
from agentsd.supervisor.worker import AsyncWorker
from agentsd.workers.process import start_ticks
from support.machine.bodies import Bodies
from support.machine.clocks import Clocks
from support.machine.played_spawner import PlayedJob, PlayedSpawner


class PlayedGuard(SpawnerGuard):
    """The real guard, of spawners that are played."""

    def __init__(
        self,
        worker_id: str,
        selector: selectors.BaseSelector,
        timers: Timers,
        listener: Listener,
        make: Callable[[], PlayedSpawner],
    ) -> None:
        self._make = make
        super().__init__(worker_id, selector, timers, listener, lambda: ())

    def _start(self) -> PlayedSpawner:
        spawner = self._make()
        self._selector.register(spawner.link, selectors.EVENT_READ, self.hear)
        self._watching_writes = False
        return spawner


class SteppedWorker(AsyncWorker):
    """The real supervisor but for its ``run``; its row names a real process that can be killed."""

    guard: SpawnerGuard

    STEPS = ("hear", "obey", "write", "act")

    def __init__(
        self,
        state: StateDir,
        settings: Settings,
        clocks: Clocks,
        bodies: Bodies,
        on_begin: Callable[[PlayedJob], None],
    ) -> None:
        super().__init__(state, settings)
        self._bodies = bodies
        self.body = bodies.start()
        self._next = 0
        self._written: Written | None = None
        self.paused = False
        self.gone = False
        self.guard = PlayedGuard(
            self.worker_id, self.selector, self.timers, self.listener,
            lambda: PlayedSpawner(self.worker_id, bodies, on_begin),
        )  # fmt: skip
        for directory in (state.logs, state.sandboxes, state.apply, state.locks):
            directory.mkdir(mode=0o700, exist_ok=True)
        self.db = open_store(state, Actor("played@host", os.getpid(), self.worker_id))
        self.wakeup = WakeupSocket(runtime_dir(), self.worker_id)
        book = OrderBook(self.db, settings)
        self.ledger = Ledger(self.db, self.worker_id, book.prepare, beat_due=False)
        self.ledger.beaten_at = self._last_tick = clocks.monotonic()
        self.fleet = Fleet(
            book, self.ledger, self.timers, self.selector, self.listener, settings,
            spawner=self.guard.spawner,
        )  # fmt: skip
        self.guard.fleet = self.fleet
        self.shutdown = Shutdown(self.fleet, self.timers, self.listener)
        self.duties = Duties(self)
        self.selector.register(self.wakeup, selectors.EVENT_READ, self._take_pokes)
        with self.db.write() as tx:
            workers.register(tx, self._row())
        self.duties.begin()

    def _row(self) -> Worker:
        return replace(super()._row(), pid=self.body, pid_start=start_ticks(self.body) or 0)

    @property
    def spawner(self) -> PlayedSpawner:
        """Its spawner, as it is now."""
        assert isinstance(self.guard.spawner, PlayedSpawner)
        return self.guard.spawner

    @property
    def acts(self) -> bool:
        """Whether it is there and awake."""
        return not self.paused and not self.gone

    # -- steps, in the order of the real loop ---------------------------------------------------------

    def advance(self) -> str:
        """The next step of its loop; returns its name."""
        step = self.STEPS[self._next]
        self._next = (self._next + 1) % len(self.STEPS)
        getattr(self, f"_{step}")()
        if self._next == 0 and self._is_done():
            self.leave()
        return step

    def turn(self) -> None:
        """All steps up to the end of this turn of the loop."""
        while not self.gone and self.advance() != self.STEPS[-1]:
            pass

    def _hear(self) -> None:
        ready = self.selector.select(0)
        self._notice_gap()
        for key, _ in ready:
            key.data()
        self.timers.run_due()
        if self.guard.given_up:
            self.duties.give_up("Its spawners die again and again.")

    def _obey(self) -> None:
        if self._look:
            self._look = False
            self._obey_store()

    def _write(self) -> None:
        self.fleet.match()
        room = min(self.room(), len(self.fleet.ready)) if self._is_accepting else 0
        self._written = super()._commit(room)

    def _act(self) -> None:
        if self._written is not None:
            self.duties.store_works()
            self._act_on(self._written)
        self._written = None
        self.guard.want(self._processes_wanted())
        if self.guard.flush():
            self.fleet.give_orders()

    # -- ends -----------------------------------------------------------------------------------------

    def leave(self) -> None:
        """End as the real one does after its last turn."""
        self.guard.finish()
        self.wakeup.close()
        self._unregister()
        self._disappear()

    def kill(self) -> None:
        """SIGKILL: whatever it was about to do is not done; its link is closed by the kernel."""
        self.guard.spawner.link.close()
        self.wakeup.close()
        self.db.close()
        self._disappear()

    def _disappear(self) -> None:
        self.gone = True
        for running in list(self.fleet.running.values()):
            running.close_channel()
        self.fleet.use(None)
        self.selector.close()
        self._bodies.kill(self.body)
