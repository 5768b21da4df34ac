"""Steps about plans."""

from __future__ import annotations

import shutil
import subprocess

from behave import given, then, use_step_matcher, when
from behave.runner import Context
from support.judge import files_in, private_files

use_step_matcher("parse")


@given("async commands are {state:w}")
def async_commands_are(context: Context, state: str) -> None:
    context.world.home.set("async.enabled", {"on": "true", "off": "false"}[state])


@given("a project with a plan")
def a_project_with_a_plan(context: Context) -> None:
    context.world.make_plan()


@given("a project in the middle of work")
def a_project_in_the_middle_of_work(context: Context) -> None:
    context.world.workshop.begin()


@given("a plan that {what}")
def a_plan_that(context: Context, what: str) -> None:
    world = context.world
    world.workshop.plan(what)
    world.plan_id = world.workshop.plan_id


@given("the operator has executed the plan")
def has_executed(context: Context) -> None:
    assert context.world.workshop.do("execute").exit_code == 0


@given("the operator has executed and applied the plan")
def has_executed_and_applied(context: Context) -> None:
    assert context.world.workshop.do("execute").exit_code == 0
    assert context.world.workshop.do("apply").exit_code == 0


@given("the operator has executed the plan and then edited the {which:w} line")
def has_executed_and_edited(context: Context, which: str) -> None:
    assert context.world.workshop.do("execute").exit_code == 0
    context.world.workshop.edit_line({"first": 1, "last": -1}[which])


@given("a notebook of which git keeps no outputs")
def a_notebook(context: Context) -> None:
    context.world.workshop.keep_a_notebook()


@given("the operator has executed the plan and then corrected a file in its sandbox")
def has_executed_and_corrected(context: Context) -> None:
    assert context.world.workshop.do("execute").exit_code == 0
    context.world.workshop.edit_in_the_sandbox()


@given("the operator has edited one of the 5 files")
def has_edited_one(context: Context) -> None:
    (context.world.workshop.project / "made" / "3").write_text("edited by hand\n")


@given("an apply of the plan was killed after {count:d} files")
def an_apply_was_killed(context: Context, count: int) -> None:
    assert context.world.workshop.do("execute").exit_code == 0
    context.world.workshop.killed_apply(count)
    assert len(list((context.world.workshop.project / "made").glob("[1-5]"))) == count


@given("a worker has begun to wait in the plan")
def a_worker_waits_in_the_plan(context: Context) -> None:
    context.world.home.set("async.enabled", "true")
    context.world.home.set("async.cancel_grace", 4)
    context.world.start_worker("first", "--max-workers", "1")
    assert context.world.workshop.do("execute").exit_code == 0
    context.world.workshop.wait_until_it_waits()


@given("somebody has deleted the plan's sandbox")
def somebody_has_deleted_the_sandbox(context: Context) -> None:
    (box,) = context.world.workshop.sandboxes
    shutil.rmtree(box)


@given("a hook of the project executes the plan after each commit")
def a_hook_executes_the_plan(context: Context) -> None:
    context.world.workshop.hook_that_executes()


@given("every hook of the project fails")
def every_hook_fails(context: Context) -> None:
    shop = context.world.workshop
    for name in ("post-checkout", "post-index-change", "reference-transaction", "post-commit"):
        shop.hook(name, f"touch {shop.marks}/hook-ran; exit 1")


@given("the folder of the 5 files is a link to somewhere else by now, which git ignores")
def a_link_to_somewhere_else(context: Context) -> None:
    context.world.workshop.link_elsewhere("made")


@when("the operator commits")
def commit(context: Context) -> None:
    context.world.workshop.commit()


@when("the operator executes the plan")
def execute(context: Context) -> None:
    world = context.world
    world.answer = world.operator.ask("plan", "execute", world.plan_id)
    world.jobs.append(world.answer.envelope["data"]["job_id"])


@when("the operator {verb:w} the plan")
def do_with_the_plan(context: Context, verb: str) -> None:
    verbs = {"applies": "apply", "reverts": "revert", "cancels": "cancel", "discards": "discard"}
    context.world.answer = context.world.workshop.do(verbs[verb])


@then("the plan's job is {status:w}")
def the_plans_job_is(context: Context, status: str) -> None:
    assert context.world.answer.data["status"] == status, str(context.world.answer)
    assert context.world.job["status"] == status, context.world.job


@then("the plan is {state:w}")
def the_plan_is(context: Context, state: str) -> None:
    shown = context.world.operator.ask("plan", "status", context.world.plan_id).data
    assert shown["state"] == state, shown


@then("within {seconds:d} seconds the plan is {state:w}")
def within_the_plan_is(context: Context, seconds: int, state: str) -> None:
    context.world.workshop.wait_for_state(state, seconds)


@then("the project is as it was")
def the_project_is_as_it_was(context: Context) -> None:
    shop = context.world.workshop
    assert files_in(shop.project) == shop.files
    assert private_files(shop.project) == shop.private


@then("nothing in git has changed")
def nothing_in_git_has_changed(context: Context) -> None:
    shop = context.world.workshop
    assert private_files(shop.project) == shop.private


@then("the plan's change holds a copy of the work")
def the_change_holds_the_work(context: Context) -> None:
    change = context.world.workshop.change
    assert [file["path"] for file in change["files"]] == ["copy-of-new", "copy-of-story"], change
    assert "+line seven" in change["diff"], change["diff"]


@then("the plan's change is that of attempt {number:d}")
def the_change_is_of_attempt(context: Context, number: int) -> None:
    change = context.world.workshop.change
    assert f"+++ b/attempt\n@@ -0,0 +1 @@\n+{number}\n" in change["diff"], change["diff"]


@then("the plan's change is partial and holds the file")
def the_change_is_partial(context: Context) -> None:
    change = context.world.workshop.change
    assert (change["kind"], [file["path"] for file in change["files"]]) == ("partial", ["early"]), change


@then("asking for the plan's change is answered with {code:d}")
def asking_for_the_change(context: Context, code: int) -> None:
    answer = context.world.workshop.do("diff")
    assert answer.exit_code == code, str(answer)


@then("both edits are in the project")
def both_edits_are_there(context: Context) -> None:
    lines = (context.world.workshop.project / "story").read_text().splitlines()
    assert (lines[0], lines[6], lines[-1]) == ("edited by hand", "line seven", "the end"), lines


@then("the 5 files are in the project")
def the_files_are_there(context: Context) -> None:
    made = context.world.workshop.project / "made"
    assert sorted(path.name for path in made.iterdir()) == ["1", "2", "3", "4", "5"]


@then("git knows of no work tree but the project")
def no_other_work_tree(context: Context) -> None:
    assert context.world.workshop.other_work_trees() == []


@then("the plan's change is the 5 files")
def the_change_is_the_files(context: Context) -> None:
    change = context.world.workshop.change
    assert [file["path"] for file in change["files"]] == [f"made/{number}" for number in range(1, 6)], change


@then("no hook has run")
def no_hook_has_run(context: Context) -> None:
    assert not (context.world.workshop.marks / "hook-ran").exists()


@then("nothing was written somewhere else")
def nothing_was_written_elsewhere(context: Context) -> None:
    assert list(context.world.workshop.elsewhere.iterdir()) == []


@then("the program with a newline in its name runs")
def the_program_runs(context: Context) -> None:
    program = context.world.workshop.project / "odd\nname"
    assert subprocess.run([program], capture_output=True, check=True).stdout == b"it runs\n"
