"""Steps about what the operator is told."""

from __future__ import annotations

from behave import then, use_step_matcher
from behave.runner import Context

use_step_matcher("parse")


@then("the operator is told that no worker is running")
def told_that_no_worker_is_running(context: Context) -> None:
    assert "worker" in context.world.answer.messages.lower(), str(context.world.answer)


@then("the command exits with {code:d}")
def the_command_exits_with(context: Context, code: int) -> None:
    assert context.world.answer.exit_code == code, str(context.world.answer)


@then('the command exits with {code:d} and says "{words}"')
def the_command_exits_and_says(context: Context, code: int, words: str) -> None:
    assert context.world.answer.exit_code == code, str(context.world.answer)
    assert words in context.world.answer.messages, str(context.world.answer)


@then("waiting for the job exits with {code:d}")
def waiting_exits_with(context: Context, code: int) -> None:
    answer = context.world.operator.ask("job", "wait", context.world.job_id)
    assert answer.exit_code == code, str(answer)


@then('explaining the job says "{words}"')
def explaining_says(context: Context, words: str) -> None:
    answer = context.world.operator.run("job", "explain", context.world.job_id)
    assert words in answer.stdout, str(answer)


@then("the database refuses")
def the_database_refuses(context: Context) -> None:
    assert context.world.refusal, "the database took the change"
