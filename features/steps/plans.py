"""Steps about plans."""

from __future__ import annotations

from behave import given, then, use_step_matcher, when
from behave.runner import Context

use_step_matcher("parse")


@given("async commands are {state:w}")
def async_commands_are(context: Context, state: str) -> None:
    context.world.home.set("async.enabled", {"on": "true", "off": "false"}[state])


@given("a project with a plan")
def a_project_with_a_plan(context: Context) -> None:
    context.world.make_plan()


@when("the operator executes the plan")
def execute(context: Context) -> None:
    world = context.world
    world.answer = world.operator.ask("plan", "execute", world.plan_id)
    world.jobs.append(world.answer.data["job_id"])


@then("the plan's job is {status:w}")
def the_plans_job_is(context: Context, status: str) -> None:
    assert context.world.answer.data["status"] == status, str(context.world.answer)
    assert context.world.job["status"] == status, context.world.job


@then("the plan is {state:w}")
def the_plan_is(context: Context, state: str) -> None:
    shown = context.world.operator.ask("plan", "status", context.world.plan_id).data
    assert shown["state"] == state, shown
