"""Steps about jobs."""

from __future__ import annotations

from behave import given, then, use_step_matcher, when
from behave.runner import Context
from support.patience import eventually

use_step_matcher("parse")


@given("a queued job")
def a_queued_job(context: Context) -> None:
    context.world.enqueue("noop")


@given("a running job with a child, a grandchild and a daemon that ignore being asked to stop")
def a_running_job_with_a_tree(context: Context) -> None:
    context.world.run_job_with_tree()


@given("a job that has succeeded")
def a_job_that_has_succeeded(context: Context) -> None:
    context.world.enqueue("chatty", {"lines": 3})
    context.world.wait_for("succeeded", 10)


@given("a job from a newer version")
def a_job_from_a_newer_version(context: Context) -> None:
    context.world.insert_job_from_newer_version()


@when('the operator enqueues a job that says "{words}"')
def enqueue_echo(context: Context, words: str) -> None:
    context.world.enqueue("echo", words)


@when("the operator enqueues {count:d} jobs that wait for each other")
def enqueue_gates(context: Context, count: int) -> None:
    for _ in range(count):
        context.world.enqueue("gate", {"gate": str(context.world.gate)})


@when("the operator enqueues a job that hangs in native code, with a limit of {seconds:d} second")
def enqueue_hang(context: Context, seconds: int) -> None:
    context.world.enqueue("hang-native", None, "--timeout", str(seconds))


@when("the operator enqueues a job that runs")
def enqueue_snippet(context: Context) -> None:
    code = context.text or ""
    context.world.enqueue("snippet", {"code": code})


@when("the operator enqueues a job that is killed by signal 9")
def enqueue_crash(context: Context) -> None:
    context.world.enqueue("crash")


@when('the operator cancels the job, saying "{words}"')
def cancel(context: Context, words: str) -> None:
    world = context.world
    world.answer = world.operator.ask("job", "cancel", world.job_id, "--reason", words)


@when("somebody sets the job back to running in the database")
def set_back_to_running(context: Context) -> None:
    context.world.tamper("UPDATE async_jobs SET status = 'running' WHERE job_id = ?", context.world.job_id)


@when("the operator prunes everything that has ended")
def prune(context: Context) -> None:
    context.world.answer = context.world.operator.ask("job", "prune", "--older-than", "0 s")


@then("the job is {status:w}")
def the_job_is(context: Context, status: str) -> None:
    assert context.world.job["status"] == status, context.world.job


@then('the job is {status:w} because "{reason}"')
def the_job_is_because(context: Context, status: str, reason: str) -> None:
    job = context.world.job
    assert (job["status"], job["reason"]) == (status, reason), job


@then('within {seconds:d} seconds the job is {status:w} because "{reason}"')
def within_the_job_is(context: Context, seconds: int, status: str, reason: str) -> None:
    job = context.world.wait_for(status, seconds)
    assert job["reason"] == reason, job


@then("within {seconds:d} seconds the newest job is {status:w}")
def within_the_newest_job_is(context: Context, seconds: int, status: str) -> None:
    context.world.wait_for(status, seconds, context.world.jobs[-1])


@then("within {seconds:d} seconds {count:d} jobs are {status:w}")
def within_jobs_are(context: Context, seconds: int, count: int, status: str) -> None:
    world = context.world
    eventually(lambda: world.count(status) == count, seconds, f"{count} jobs are {status}")


@then("{count:d} jobs are {status:w}")
def jobs_are(context: Context, count: int, status: str) -> None:
    assert context.world.count(status) == count


@then("it began within {seconds:d} second of being enqueued")
def it_began_within(context: Context, seconds: int) -> None:
    assert context.world.seconds_queued() < seconds, context.world.job


@then('its result is "{words}"')
def its_result_is(context: Context, words: str) -> None:
    assert context.world.job["result"] == words, context.world.job


@then('its history is "{states}"')
def its_history_is(context: Context, states: str) -> None:
    assert ", ".join(context.world.states_passed()) == states, context.world.job["events"]


@then('its history names the operator and "{words}"')
def its_history_names(context: Context, words: str) -> None:
    told = [event for event in context.world.job["events"] if words in str(event)]
    assert told, context.world.job["events"]
    assert "@" in told[0]["by"], told[0]


@then('its record names "{signal}" and its last line of output')
def its_record_names(context: Context, signal: str) -> None:
    job = context.world.job
    assert job["signal"] == signal, job
    assert "the last line before the crash" in str(job["events"]), job["events"]
    assert job["usage"]["max_rss_bytes"] > 0, job


@then('within {seconds:d} seconds its history says "{words}"')
def within_its_history_says(context: Context, seconds: int, words: str) -> None:
    world = context.world
    eventually(lambda: words in str(world.job["events"]), seconds, lambda: str(world.job["events"]))


@then("none of its processes is left")
def none_of_its_processes_is_left(context: Context) -> None:
    assert context.world.living_job_processes == []


@then("within {seconds:d} seconds none of its processes is left")
def within_none_is_left(context: Context, seconds: int) -> None:
    world = context.world
    eventually(lambda: not world.living_job_processes, seconds, "none of the job's processes is left")


@then("each running job has a process of its own")
def each_running_job_has_a_process(context: Context) -> None:
    running = context.world.pids_of_running_jobs()
    assert set(running) == {process.pid for process in context.world.worker.job_processes()}
    assert len(set(running)) == len(running), running


@then("nobody knows the job any more")
def nobody_knows_the_job(context: Context) -> None:
    answer = context.world.operator.ask("job", "show", context.world.job_id)
    assert answer.exit_code == 3, str(answer)


@then("within {seconds:d} seconds the job is gone")
def within_the_job_is_gone(context: Context, seconds: int) -> None:
    world = context.world
    eventually(lambda: not world.knows(world.job_id), seconds, "the job is gone")


@then("its output is gone")
def its_output_is_gone(context: Context) -> None:
    assert not context.world.home.state.job_logs(context.world.job_id).exists()
