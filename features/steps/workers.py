"""Steps about workers."""

from __future__ import annotations

from behave import given, use_step_matcher, when
from behave.runner import Context

use_step_matcher("parse")


@given("a worker with {slots:d} slot")
@given("a worker with {slots:d} slots")
def a_worker_with_slots(context: Context, slots: int) -> None:
    context.world.start_worker("first", "--max-workers", str(slots))


@given("a worker that looks for jobs every {seconds:d} seconds by itself")
def a_worker_that_polls(context: Context, seconds: int) -> None:
    context.world.home.set("async.poll_interval", seconds)
    context.world.start_worker("first")


@given("a worker that gives jobs {seconds:d} second to stop")
def a_worker_with_grace(context: Context, seconds: int) -> None:
    context.world.home.set("async.cancel_grace", seconds)
    context.world.start_worker("first")


@given("jobs count as stuck after {seconds:d} second of silence")
def stuck_after(context: Context, seconds: int) -> None:
    context.world.home.set("async.job_ttl", seconds)


@given("finished jobs are kept for {seconds:d} second")
def kept_for(context: Context, seconds: int) -> None:
    context.world.home.set("async.retention", seconds)


@given("jobs are limited to {amount} of {what}")
def limited_to(context: Context, amount: str, what: str) -> None:
    key = {"CPU": "cpu_limit", "memory": "memory_limit", "output": "log_limit"}[what]
    context.world.home.set(f"async.{key}", amount)


@given("another worker")
@when("another worker is started")
def another_worker(context: Context) -> None:
    context.world.start_worker("second")


@given("the worker and its spawner were killed in the same instant")
def killed_in_the_same_instant(context: Context) -> None:
    context.world.worker.kill_with_spawner()


@when("the worker is killed")
def the_worker_is_killed(context: Context) -> None:
    context.world.worker.kill()


@when("the first worker is frozen")
def the_first_worker_is_frozen(context: Context) -> None:
    context.world.workers["first"].freeze()


@given("another worker has reaped the job, because the first worker was frozen")
def another_worker_has_reaped_the_job(context: Context) -> None:
    context.world.start_worker("second")
    context.world.workers["first"].freeze()
    context.world.wait_for("failed", 15)


@when("the first worker goes on")
def the_first_worker_goes_on(context: Context) -> None:
    context.world.workers["first"].thaw()
