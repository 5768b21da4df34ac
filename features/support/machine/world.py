"""One simulated host: supervisors, clients, clocks; every step of it is followed by a look at everything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from agentsd.model import PAYLOAD_VERSION
from agentsd.store import health, workers
from agentsd.store.database import open_store
from agentsd.store.mutex import WriterMutex
from agentsd.store.settings import load_settings
from support.home import Home
from support.machine.audit import TERMINAL, Audit, Row
from support.machine.bodies import Bodies
from support.machine.clocks import STEP, Clocks
from support.machine.played_spawner import PlayedJob, PlayedSpawner
from support.machine.stepped import SteppedWorker
from support.patience import eventually

TTL = 8.0
MEMORY = "/dev/shm"  # noqa: S108 - a fresh directory below it
"""Where a file system in memory is, if there is one: thousands of commits need not wait for a disk."""
MAX_ATTEMPTS = 2
SETTINGS = {
    "AGENTS_ASYNC_JOB_TTL": f"{TTL} s",
    "AGENTS_ASYNC_POLL_INTERVAL": "1 s",
    "AGENTS_ASYNC_MAX_WORKERS": "2",
    "AGENTS_ASYNC_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
    "AGENTS_ASYNC_RETENTION": "2 d",
    "AGENTS_ASYNC_SHUTDOWN_GRACE": "3 s",
}


@dataclass(slots=True)
class Watched:
    """What an onlooker knows of a supervisor's liveness, in the host's awake time."""

    worker: SteppedWorker
    beat: int
    beaten: float
    awake_since: float
    """Since when its loop has had no gap that voids what it has observed."""
    last_step: float


class World:
    """All of it."""

    def __init__(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.clocks = Clocks()
        self.clocks.install(self.patch)
        if os.access(MEMORY, os.W_OK):
            self.patch.setattr(tempfile, "tempdir", MEMORY)
        self.home = Home()
        for name in ("AGENTS_CONFIG", "XDG_RUNTIME_DIR", "AGENTS_STATE_DIR"):
            self.patch.setenv(name, self.home.environ[name])
        self.settings = load_settings({**self.home.environ, **SETTINGS})
        self.bodies = Bodies()
        self.db = open_store(self.home.state)
        self.audit = Audit(self.db, MAX_ATTEMPTS)
        self.watched: dict[str, Watched] = {}
        self.spawners: list[PlayedSpawner] = []
        self.begun: set[str] = set()
        self.processes: dict[str, list[int]] = {}
        self._lost: set[str] = set()

    # -- who there is ---------------------------------------------------------------------------------

    @property
    def workers(self) -> list[SteppedWorker]:
        """The supervisors that are there, paused or not."""
        return [watched.worker for watched in self.watched.values() if not watched.worker.gone]

    @property
    def awake(self) -> list[SteppedWorker]:
        """Those that act."""
        return [worker for worker in self.workers if worker.acts]

    def running(self) -> Iterator[tuple[PlayedSpawner, PlayedJob]]:
        """The handlers that have begun. What others have ended does nothing more, whether its spawner has seen that or not."""
        going = {
            job_id for (job_id,) in self.db.read("SELECT job_id FROM async_jobs WHERE status = 'running'")
        }
        for spawner in self.spawners:
            for job in spawner.jobs.values():
                if job.begun and job.exit is None and job.job_id in going:
                    yield spawner, job

    def start_worker(self) -> SteppedWorker:
        """Another supervisor."""
        worker = SteppedWorker(self.home.state, self.settings, self.clocks, self.bodies, self.on_begin)
        now = self.clocks.monotonic()
        self.watched[worker.worker_id] = Watched(worker, 0, now, now, now)
        self.look(worker)
        return worker

    # -- steps ----------------------------------------------------------------------------------------

    def advance(self, worker: SteppedWorker) -> None:
        """One step of a supervisor."""
        self.act(worker, worker.advance)

    def turn(self, worker: SteppedWorker) -> None:
        """A whole turn of a supervisor's loop, step by step."""
        while worker.acts:
            if self.act(worker, worker.advance) == worker.STEPS[-1]:
                return

    def act(self, worker: SteppedWorker, step: Callable[[], str]) -> str:
        """Let *worker* do something, and look at everything."""
        watched = self.watched[worker.worker_id]
        now = self.clocks.monotonic()
        if now - watched.last_step > TTL / 2:
            watched.awake_since = now
        watched.last_step = now
        done = step()
        assert not worker.ledger.problem, f"the store is whole, but: {worker.ledger.problem}"
        self.clocks.pass_by(STEP)
        self.look(worker)
        return done

    def step_spawners(self) -> None:
        """A turn of every spawner: none of them waits for its supervisor."""
        self._meet_spawners()
        for spawner in self.spawners:
            spawner.step()
        self.look()

    def _meet_spawners(self) -> None:
        for worker in self.workers:
            if worker.spawner not in self.spawners:
                self.spawners.append(worker.spawner)

    def live(self, seconds: float, *, but: SteppedWorker | None = None) -> None:
        """Time passes in which everybody awake does what they do, but for one that stands still."""
        until = self.clocks.monotonic() + seconds
        while self.clocks.monotonic() < until:
            self.clocks.pass_by(TTL / 8)
            for worker in self.awake:
                if worker is not but:
                    self.turn(worker)
            self.step_spawners()

    def live_unwritable(self, seconds: float) -> None:
        """Time passes in which somebody is stopped in a transaction: everybody is silent, and nobody is dead."""
        jobs = [job for worker in self._well() for job in worker.spawner.jobs.values()]
        well = [job for job in jobs if self.bodies.is_alive(job.pid)]
        mutex = WriterMutex(self.home.state.root / "agents.db.lock")
        # A body that was started while it was held closes its copy only in the middle of its exec.
        eventually(mutex.try_acquire, 5, "nobody holds the mutex")
        self.live(seconds)
        mutex.close()
        if seconds > TTL:  # what was seen in it is void, up to the last look before it ended
            for watched in self.watched.values():
                watched.awake_since = max(watched.awake_since, self.clocks.monotonic() - TTL / 4)
        for job in well:
            assert job.cause or self.bodies.is_alive(job.pid), (
                f"{job} was killed, but its supervisor was well"
            )

    def _well(self) -> list[SteppedWorker]:
        """The supervisors that act and have beaten lately."""
        now = self.clocks.monotonic()
        return [worker for worker in self.awake if now - self.watched[worker.worker_id].beaten < TTL / 2]

    # -- looking --------------------------------------------------------------------------------------

    def on_begin(self, job: PlayedJob) -> None:
        """A handler begins: once, of a job that is running and whose row names this process."""
        assert job.job_id not in self.begun, f"{job.job_id} has begun twice"
        self.begun.add(job.job_id)
        found = self.db.read("SELECT status, pid FROM async_jobs WHERE job_id = ?", (job.job_id,))
        assert found == [("running", job.pid)], f"{job} begins, but its row says {found}"

    def look(self, actor: SteppedWorker | None = None) -> None:
        """Everything that has to hold now."""
        self._meet_spawners()
        self.audit.look()
        self._nothing_of_an_ended_job_runs()
        self._no_healthy_worker_was_lost(actor)

    def _nothing_of_an_ended_job_runs(self) -> None:
        for spawner in self.spawners:
            for job in spawner.jobs.values():
                if job.begun:
                    self.processes[job.job_id] = [job.pid, *job.daemons]
        for job_id, pids in list(self.processes.items()):
            row = self.audit.rows.get(job_id)
            if row is not None and row.status not in TERMINAL:
                continue
            assert not any(map(self.bodies.is_alive, pids)), f"{row} has ended, but a process of it lives"
            del self.processes[job_id]

    def _no_healthy_worker_was_lost(self, actor: SteppedWorker | None) -> None:
        now = self.clocks.monotonic()
        for row in workers.list_workers(self.db, include_ended=True):
            watched = self.watched.get(row.worker_id)
            if watched is None:
                continue
            if row.state == "lost" and row.worker_id not in self._lost:
                self._lost.add(row.worker_id)
                assert actor is not None
                observer = self.watched[actor.worker_id]
                silence = now - max(watched.beaten, observer.awake_since)
                assert watched.worker.gone or silence >= TTL, f"reaped after {silence} s of silence"
            if row.beat != watched.beat:
                watched.beat, watched.beaten = row.beat, now

    # -- the end --------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Nothing more goes wrong, what is paused stays so: every job ends, and nothing is left of any."""
        with self.db.write() as tx:
            tx.execute("UPDATE async_jobs SET held_at = NULL, held_by = NULL WHERE status = 'queued'")
        self.audit.look()
        for spawner in self.spawners:
            spawner.fails_to_fork = False
        heir = self.start_worker()
        self.live(TTL / 2)
        self.live_unwritable(1.5 * TTL)
        for number in range(60):
            self.live(TTL / 2)
            for spawner, job in list(self.running()):  # first everything fails, until no attempt is left
                spawner.end_handler(job, "crash" if number < 2 * MAX_ATTEMPTS else "result")
            if self._all_has_ended():
                break
        assert self._all_has_ended(), [row for row in self.audit.rows.values() if row.status not in TERMINAL]
        assert not heir.gone
        live = {row.worker_id for row in workers.list_workers(self.db)}
        assert all(worker.worker_id in live for worker in self.awake), "declared lost, and goes on"
        assert [] == health.contradictions(self.db)

    def _all_has_ended(self) -> bool:
        return all(row.status in TERMINAL or self._waits_for_newer(row) for row in self.audit.rows.values())

    def _waits_for_newer(self, row: Row) -> bool:
        """Whether no worker of this version can ever run it, or what it waits for."""
        awaited = self.audit.rows.get(row.waits_for or "")
        return row.schema_version > PAYLOAD_VERSION or (
            awaited is not None and self._waits_for_newer(awaited)
        )

    def close(self) -> None:
        """Leave nothing behind."""
        for worker in self.workers:
            worker.kill()
        for spawner in self.spawners:
            spawner.kill()
        self.bodies.kill_all()
        self.db.close()
        self.home.remove()
        self.patch.undo()
