"""Steps about steering what waits."""

from __future__ import annotations

from behave import given, then, use_step_matcher, when
from behave.runner import Context
from support.patience import PATIENCE, eventually

use_step_matcher("parse")


@given("a held job")
def a_held_job(context: Context) -> None:
    context.world.enqueue("noop", None, "--hold")


@when("the operator releases the job")
def release(context: Context) -> None:
    world = context.world
    assert world.operator.run("job", "release", world.job_id).exit_code == 0


@when("the operator enqueues a job to follow it")
def enqueue_follower(context: Context) -> None:
    context.world.enqueue("noop", None, "--after", context.world.job_id)


@when("the operator enqueues a failing job and one to follow it")
def enqueue_failing_and_follower(context: Context) -> None:
    world = context.world
    world.enqueue("raise", None, "--hold")
    world.enqueue("noop", None, "--after", world.job_id)
    release(context)


@when('the operator enqueues a job twice with the key "{key}"')
def enqueue_twice(context: Context, key: str) -> None:
    for _ in range(2):
        context.world.enqueue("noop", None, "--key", key)


@when("the operator drains the worker")
def drain(context: Context) -> None:
    world = context.world
    assert world.operator.run("worker", "drain").exit_code == 0
    eventually(
        lambda: "draining" in world.operator.run("worker", "list").stdout,
        10,
        "the worker says that it drains",
    )


@when("the job may go on")
def open_the_gate(context: Context) -> None:
    context.world.gate.touch()


@then("the second job began after the first had ended")
def began_after(context: Context) -> None:
    first, second = (context.world.operator.job(job_id) for job_id in context.world.jobs)
    assert second["started_at"] >= first["finished_at"], (first, second)


@then('the newest job never began, because "{reason}"')
def never_began(context: Context, reason: str) -> None:
    job = context.world.operator.job(context.world.jobs[-1])
    assert (job["started_at"], job["reason"]) == (None, reason), job


@then("both times it is the same job")
def the_same_job(context: Context) -> None:
    first, second = context.world.jobs
    assert first == second


@then("the worker ends by itself")
def the_worker_ends(context: Context) -> None:
    assert context.world.worker.process.wait(10 * PATIENCE) == 0
