"""Steps about looking: what a list, a dry run and a monitor say."""

from __future__ import annotations

import json

from behave import then, use_step_matcher, when
from behave.runner import Context

use_step_matcher("parse")


@when("the worker is stopped")
def the_worker_is_stopped(context: Context) -> None:
    context.world.worker.stop()


@when("the operator asks what a cancel of all jobs would end")
def ask_what_a_cancel_would_end(context: Context) -> None:
    context.world.answer = context.world.operator.ask("job", "cancel", "--all", "--dry-run")


@then("every process of the job is named")
def every_process_is_named(context: Context) -> None:
    named = {pid for job in context.world.answer.data["jobs"] for pid in job["processes"]}
    assert set(json.loads(context.world.pids_file.read_text()).values()) <= named, str(context.world.answer)


@then("a monitor still counts {number:d} job that succeeded")
def a_monitor_counts(context: Context, number: int) -> None:
    lines = context.world.operator.run("metrics").stdout.splitlines()
    counted = [line for line in lines if "finished_total{" in line and 'status="succeeded"' in line]
    assert sum(int(line.rpartition(" ")[2]) for line in counted) == number, lines


@then('the list says of the job "{words}"')
def the_list_says(context: Context, words: str) -> None:
    lines = context.world.operator.run("job", "list").stdout.splitlines()
    assert any(line.startswith(context.world.job_id) and words in line for line in lines), lines
