"""Random histories of several supervisors on one real store, held against a small reference after every step.

Supervisors are the product's own, taking one step at a time, so that anything may come between two of their
transactions: deaths, pauses, cancels, clocks that jump. ``AGENTSD_MACHINE_EXAMPLES=5000`` makes a long run.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.machine.audit import TERMINAL
from support.machine.played_spawner import ENDINGS
from support.machine.stepped import SteppedWorker
from support.machine.world import TTL, World

from agentsd.errors import AgentsError
from agentsd.model import PAYLOAD_VERSION, Phase, PlanRow, PlanState
from agentsd.store import cancel, jobs, plans, retention, steering
from agentsd.store.jobs import NewJob

EXAMPLES = int(os.environ.get("AGENTSD_MACHINE_EXAMPLES", "80"))
STEPS = int(os.environ.get("AGENTSD_MACHINE_STEPS", "50"))
STAGES = (Stage.generate,) if os.environ.get("AGENTSD_MACHINE_QUICK") else tuple(Stage)
"""Quick: a failure is enough, no smaller one is looked for."""
MOST_WORKERS = 3
PICK = st.integers(0, 999)
"""Picks one of whatever there is."""
PLANS = [f"01J0000000000000000000PLA{number}" for number in "AB"]


def one_of(things: list[Any], pick: int) -> Any:
    """The thing that a number picks."""
    return things[pick % len(things)]


class Jobs(RuleBasedStateMachine):
    """Everything that supervisors, people and fate can do."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(workers=st.integers(1, 2))
    def begin(self, workers: int) -> None:
        """A store, plans, and some supervisors."""
        for plan_id in PLANS:
            plans.create(
                self.world.db,
                PlanRow(
                    plan_id=plan_id, name="p", project="/", state=PlanState.DRAFT, frozen_json="{}", source_path="",
                    source_sha256="", branch=None, head=None, sandbox="worktree", created_at="", updated_at="",
                ),
            )  # fmt: skip
        for _ in range(workers):
            self.world.start_worker()

    # -- people ---------------------------------------------------------------------------------------

    @rule(
        priority=st.integers(-1, 1),
        hold=st.sampled_from([False, False, True]),
        key=st.sampled_from([None, None, "k"]),
        newer=st.sampled_from([0, 0, 0, 1]),
        count=st.integers(1, 3),
    )
    def enqueue(self, priority: int, hold: bool, key: str | None, newer: int, count: int) -> None:
        """Some jobs; what a newer payload needs is not claimed."""
        for _ in range(count):
            new = NewJob(
                phase="noop", priority=priority, hold=hold, key=key, schema_version=PAYLOAD_VERSION + newer
            )
            self.world.audit.acknowledged.add(jobs.enqueue(self.world.db, new).job_id)
        self.world.look()

    @precondition(lambda self: self.world.audit.rows)
    @rule(pick=PICK)
    def enqueue_after(self, pick: int) -> None:
        """A job that waits for another one."""
        after = one_of(sorted(self.world.audit.rows), pick)
        self._try(lambda: jobs.enqueue(self.world.db, NewJob(phase="noop", after=after)).job_id)

    @rule(plan=st.sampled_from(PLANS))
    def execute_plan(self, plan: str) -> None:
        """Refused while an execution of it is active."""

        def queue() -> str:
            with self.world.db.write() as tx:
                return jobs.insert_for_plan(tx, plan, Phase.EXECUTE).job_id

        self._try(queue)

    @precondition(lambda self: self.world.audit.rows)
    @rule(pick=PICK)
    def retry(self, pick: int) -> None:
        """A new attempt that a person asks for."""
        job = jobs.get(self.world.db, one_of(sorted(self.world.audit.rows), pick))

        def again() -> str:
            with self.world.db.write() as tx:
                return jobs.insert_retry(tx, job).job_id

        self._try(again)

    @precondition(lambda self: self._unfinished())
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        """At any time of a job's life."""
        with self.world.db.write() as tx:
            cancel.request_cancel(tx, one_of(self._unfinished(), pick), why="no more")
        self.world.look()

    @precondition(lambda self: self._unfinished())
    @rule(pick=PICK, how=st.sampled_from(["hold", "release", "first"]))
    def steer(self, pick: int, how: str) -> None:
        """Hold, release, move forward."""
        job_id = one_of(self._unfinished(), pick)

        def change() -> None:
            with self.world.db.write() as tx:
                if how == "first":
                    steering.set_priority(tx, job_id, 5)
                else:
                    (steering.hold if how == "hold" else steering.release)(tx, job_id)

        self._try(change)

    @rule(days=st.integers(0, 3))
    def prune(self, days: int) -> None:
        """What ended long ago goes."""
        retention.prune(
            self.world.db, retention.cutoff(timedelta(days=days).total_seconds(), self.world.clocks.wall)
        )
        self.world.look()

    def _unfinished(self) -> list[str]:
        return sorted(job_id for job_id, row in self.world.audit.rows.items() if row.status not in TERMINAL)

    def _try(self, act: Any) -> None:
        """Do it, if it is allowed; what was acknowledged is remembered."""
        try:
            acknowledged = act()
        except AgentsError:
            acknowledged = None
        if acknowledged is not None:
            self.world.audit.acknowledged.add(acknowledged)
        self.world.look()

    # -- supervisors ----------------------------------------------------------------------------------

    @precondition(lambda self: len(self.world.workers) < MOST_WORKERS)
    @rule()
    def start_worker(self) -> None:
        """One more."""
        self.world.start_worker()

    @precondition(lambda self: self.world.awake)
    @rule(pick=PICK, steps=st.integers(1, 6))
    def advance(self, pick: int, steps: int) -> None:
        """Some steps of one supervisor; the others stand where they are."""
        worker: SteppedWorker = one_of(self.world.awake, pick)
        for _ in range(steps):
            if worker.acts:
                self.world.advance(worker)

    @rule()
    def spawners_work(self) -> None:
        """Orders are obeyed, deaths noticed."""
        self.world.step_spawners()

    @rule(seconds=st.sampled_from([0.2, 2.0, 12.0]))
    def live(self, seconds: float) -> None:
        """Everybody goes on for a while."""
        self.world.live(seconds)

    @precondition(lambda self: self.world.awake)
    @rule(pick=PICK, times=st.integers(1, 3))
    def signal(self, pick: int, times: int) -> None:
        """TERM, once or more often."""
        worker: SteppedWorker = one_of(self.world.awake, pick)
        for _ in range(times):
            worker.on_signal(15)

    # -- jobs -----------------------------------------------------------------------------------------

    @precondition(lambda self: any(self.world.running()))
    @rule(pick=PICK, how=st.sampled_from(sorted(ENDINGS)))
    def handler_ends(self, pick: int, how: str) -> None:
        """By itself, in some way."""
        spawner, job = one_of(list(self.world.running()), pick)
        spawner.end_handler(job, how)

    @precondition(lambda self: any(self.world.running()))
    @rule(pick=PICK)
    def handler_leaves_a_daemon(self, pick: int) -> None:
        """Which outlives it, unless somebody sweeps."""
        spawner, job = one_of(list(self.world.running()), pick)
        spawner.leave_daemon(job)
        self.world.look()

    # -- fate -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.workers)
    @rule(pick=PICK)
    def kill_worker(self, pick: int) -> None:
        """Between any two of its steps."""
        one_of(self.world.workers, pick).kill()
        self.world.look()

    @precondition(lambda self: self.world.workers)
    @rule(pick=PICK)
    def kill_both(self, pick: int) -> None:
        """Supervisor and spawner in one instant: nobody sweeps."""
        worker: SteppedWorker = one_of(self.world.workers, pick)
        worker.spawner.kill()
        worker.kill()
        self.world.look()

    @precondition(lambda self: self.world.workers)
    @rule(pick=PICK)
    def kill_spawner(self, pick: int) -> None:
        """Its supervisor mends it."""
        one_of(self.world.workers, pick).spawner.kill()
        self.world.look()

    @precondition(lambda self: any(self.world.running()))
    @rule(pick=PICK)
    def kill_job(self, pick: int) -> None:
        """The process only."""
        _, job = one_of(list(self.world.running()), pick)
        self.world.bodies.kill(job.pid)

    @precondition(lambda self: self.world.workers)
    @rule(pick=PICK, fails=st.booleans())
    def forks_fail(self, pick: int, fails: bool) -> None:
        """No process for now; or there are some again."""
        one_of(self.world.workers, pick).spawner.fails_to_fork = fails

    @precondition(lambda self: len(self.world.awake) > 0)
    @rule(pick=PICK)
    def pause(self, pick: int) -> None:
        """SIGSTOP."""
        one_of(self.world.awake, pick).paused = True

    @precondition(lambda self: len(self.world.workers) > len(self.world.awake))
    @rule(pick=PICK)
    def resume(self, pick: int) -> None:
        """SIGCONT."""
        one_of([worker for worker in self.world.workers if worker.paused], pick).paused = False

    @precondition(lambda self: self.world.awake)
    @rule(pick=PICK, factor=st.sampled_from([0.4, 1.2, 2.5]))
    def stand_still(self, pick: int, factor: float) -> None:
        """One supervisor is stopped between two of its steps while the others go on, for longer than a TTL perhaps."""
        self.world.live(factor * TTL, but=one_of(self.world.awake, pick))

    @rule(seconds=st.sampled_from([TTL / 4, 3 * TTL]))
    def freeze(self, seconds: float) -> None:
        """Everything stands still, and whoever wakes first looks."""
        self.world.clocks.pass_by(seconds)

    @rule(factor=st.sampled_from([0.3, 1.5]))
    def nobody_can_write(self, factor: float) -> None:
        """Somebody who is none of the supervisors is stopped in a transaction."""
        self.world.live_unwritable(factor * TTL)

    @rule(hours=st.sampled_from([-100, -1, 1, 100]))
    def wall_clock_jumps(self, hours: int) -> None:
        """Nothing may depend on it but what people read, and what is pruned."""
        self.world.clocks.jump(hours * 3600.0)

    # -- the end --------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """When nothing more goes wrong, everything ends."""
        try:
            self.world.settle()
        finally:
            self.world.close()


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_random_histories() -> None:
    """Claimed once, ended once, in order, fenced, nothing lost, nobody healthy reaped, nothing left."""
    run_state_machine_as_test(
        Jobs,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            phases=STAGES,
            deadline=None,
            suppress_health_check=(
                HealthCheck.too_slow,
                HealthCheck.filter_too_much,
                HealthCheck.data_too_large,
            ),
            print_blob=True,
        ),
    )
