"""The plan file: what it takes, what it refuses, and how it says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.plan_lab import Lab

from agentsd.errors import BadPayloadError, InvalidInputError, PlanFileError
from agentsd.plans.conditions import Condition
from agentsd.plans.file import PLAN_SHAPE, STEP_SHAPE, has_changed, json_schema, load_plan
from agentsd.plans.frozen import FrozenPlan, Limits, PythonAction, RunAction, WriteAction

WHOLE = """\
name: bump-requests
description: all keys
env: {CI: "1"}
timeout-minutes: 60
sandbox: worktree
include: [.env, "!secret"]
paths: ["src/**", VERSION]
rerun-safe: true
limits: {memory: 2 GiB, cpu-minutes: 0.5, open-files: 256}
steps:
  - {id: deps, name: Install, run: "pip install -e .", timeout-minutes: 0.5, retries: 2}
  - {run: 'claude -p "x"', working-directory: api, env: {A: b}, continue-on-error: true}
  - {python: "tools.codemod:run", with: {pkg: requests, n: [1, 2.5, null, {a: true}]}}
  - {write: {path: VERSION, content: "1.2\\n"}}
  - {name: test, run: pytest -q, if: "${{ always() }}"}
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "plan.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(folder: Path, text: str | bytes, project: Path | None = None) -> PlanFileError:
    with pytest.raises(PlanFileError) as caught:
        load_plan(write(folder, text), project or folder)
    return caught.value


def test_every_key_of_a_plan_is_read(lab: Lab) -> None:
    plan = load_plan(write(lab.folder, WHOLE), lab.project)

    assert plan.name == "bump-requests"
    assert plan.timeout == 3600
    assert plan.include == (".env", "!secret")
    assert plan.paths == ("src/**", "VERSION")
    assert plan.limits == Limits(memory=2 * 2**30, cpu=30, open_files=256)
    assert plan.rerun_safe
    assert plan.branch == "main"
    assert plan.head == lab.git("rev-parse", "HEAD")
    assert [step.id for step in plan.steps] == ["deps", "step-2", "step-3", "step-4", "step-5"]
    first, second, third, fourth, fifth = plan.steps
    assert (first.timeout, first.retries, first.action) == (30, 2, RunAction("pip install -e ."))
    assert (second.working_directory, second.env, second.continue_on_error) == ("api", {"A": "b"}, True)
    assert third.action == PythonAction(
        "tools.codemod:run", {"pkg": "requests", "n": [1, 2.5, None, {"a": True}]}
    )
    assert fourth.action == WriteAction("VERSION", "1.2\n")
    assert fifth.condition is Condition.ALWAYS


def test_a_frozen_plan_survives_json(lab: Lab) -> None:
    plan = load_plan(write(lab.folder, WHOLE), lab.project)

    assert FrozenPlan.from_json(plan.to_json()) == plan


def test_json_that_is_no_frozen_plan_is_refused() -> None:
    with pytest.raises(BadPayloadError, match="cannot be read"):
        FrozenPlan.from_json({"name": "x"})


def test_what_is_left_out_has_a_default(lab: Lab) -> None:
    long = "echo " + "x" * 100
    plan = lab.plan(f"steps: [{{run: {long}}}, {{python: 'a:b'}}, {{write: {{path: f, content: ''}}}}]")

    assert plan.sandbox == "worktree"
    assert plan.include is None
    assert plan.timeout is None
    names = [step.name for step in plan.steps]
    assert names[0].startswith("Run echo xxx")
    assert len(names[0]) < 70
    assert names[1:] == ["Call a:b", "Write f"]


def test_outside_git_the_default_is_a_copy(bare_lab: Lab) -> None:
    plan = bare_lab.plan("steps: [{run: 'true'}]")

    assert (plan.sandbox, plan.branch, plan.head) == ("copy", None, None)


def test_outside_git_a_worktree_is_refused_with_its_line(bare_lab: Lab) -> None:
    text = "name: x\nsteps: [{run: a}]\nsandbox: worktree\n"

    error = refusal(bare_lab.folder, text, bare_lab.project)

    assert error.line == 3
    assert "needs a git repository" in str(error)


def test_a_folder_in_a_repository_means_the_whole_repository(lab: Lab) -> None:
    lab.write({"sub/file": "x"})

    plan = load_plan(write(lab.folder, "name: x\nsteps: [{run: a}]"), lab.project / "sub")

    assert plan.project == str(lab.project)


def test_a_folder_that_its_repository_ignores_is_no_part_of_it(lab: Lab) -> None:
    lab.write({".gitignore": "apart/\n", "apart/file": "x"})

    plan = load_plan(write(lab.folder, "name: x\nsteps: [{run: a}]"), lab.project / "apart")

    assert (plan.project, plan.sandbox) == (str(lab.project / "apart"), "copy")


def test_a_change_of_the_file_is_noticed(lab: Lab) -> None:
    plan = lab.plan("steps: [{run: a}]")
    assert not has_changed(plan)

    Path(plan.source_path).write_text("name: other")
    assert has_changed(plan)

    Path(plan.source_path).unlink()
    assert has_changed(plan)


STEP = "name: x\nsteps:\n  - "

WRONG = [
    ("", 1, "the plan is empty", "`name` and `steps`"),
    ("# only a comment\n", 1, "the plan is empty", ""),
    ("- a\n", 1, "the plan must be a mapping", ""),
    ("name: x\n", 1, "the plan needs `steps`", ""),
    ("steps: [{run: a}]\n", 1, "the plan needs `name`", ""),
    ("name: x\nsteps: []\n", 2, "no steps", "at least one"),
    ("name: x\nsteps: {run: a}\n", 2, "`steps` must be a list", ""),
    ("name: x\n\nstep: [{run: a}]\n", 3, "unknown key `step`", "Did you mean `steps`?"),
    ("name: x\nzzzzzz: 1\n", 2, "unknown key `zzzzzz`", "Valid: description"),
    ("name: x\nname: y\n", 2, "`name` stands twice", "line 1"),
    ("1: x\n", 1, "a key of the plan must be text", ""),
    ("name: 3\nsteps: [{run: a}]\n", 1, "`name` must be text, got '3' (a whole number)", 'Quote it: "3"'),
    ("name: ' '\nsteps: [{run: a}]\n", 1, "`name` must be text, got nothing", ""),
    ('name: "a\\0b"\nsteps: [{run: a}]\n', 1, "NUL", ""),
    ("name: [x]\nsteps: [{run: a}]\n", 1, "`name` must be text, got a list", ""),
    ("name: !!python/object:os.system x\n", 1, "a value tagged", ""),
    ("name: x\nsandbox: wrktree\nsteps: [{run: a}]\n", 2, "cannot be 'wrktree'", "Did you mean `worktree`?"),
    ("name: x\nenv: {A: 1}\nsteps: [{run: a}]\n", 2, "A in `env` must be text", 'Quote it: "1"'),
    ("name: x\nenv: {A-B: a}\nsteps: [{run: a}]\n", 2, "'A-B' in `env` is not a name", ""),
    ("name: x\nenv:\n  AGENTS_JOB_ID: a\nsteps: [{run: a}]\n", 3, "AGENTS_JOB_ID", ""),
    ("name: x\ntimeout-minutes: 0\nsteps: [{run: a}]\n", 2, "greater than 0", ""),
    ("name: x\ntimeout-minutes: .inf\nsteps: [{run: a}]\n", 2, "greater than 0", ""),
    ("name: x\ntimeout-minutes: 5m\nsteps: [{run: a}]\n", 2, "got '5m' (text)", ""),
    ("name: x\ntimeout-minutes: yes\nsteps: [{run: a}]\n", 2, "got 'yes' (a truth value)", ""),
    ("name: x\nrerun-safe: maybe\nsteps: [{run: a}]\n", 2, "true or false", ""),
    ("name: x\ninclude: [/etc/passwd]\nsteps: [{run: a}]\n", 2, "is absolute", "relative"),
    ("name: x\npaths: [../x]\nsteps: [{run: a}]\n", 2, "has `..`", ""),
    ("name: x\npaths: ['!x']\nsteps: [{run: a}]\n", 2, "cannot begin with `!`", ""),
    ("name: x\nlimits: {memory: much}\nsteps: [{run: a}]\n", 2, 'a size such as "2 GiB"', ""),
    ("name: x\nlimits: {memory: 2 parsec}\nsteps: [{run: a}]\n", 2, "a size", ""),
    ("name: x\nlimits: {memory: [1]}\nsteps: [{run: a}]\n", 2, "a size", ""),
    ("name: x\nlimits: {memroy: 1}\nsteps: [{run: a}]\n", 2, "unknown key `memroy`", "`memory`"),
    ("name: x\nlimits: {open-files: 1}\nsteps: [{run: a}]\n", 2, "a whole number from 16", ""),
    (STEP + "run", 3, "step 1 must be a mapping", ""),
    (STEP + "name: only", 3, "step 1 has no action", "exactly one of"),
    (STEP + "run: a\n    python: 'a:b'", 4, "both `run` and `python`", ""),
    (STEP + "run: a\n    timeout_minutes: 3", 4, "`timeout_minutes`", "Did you mean `timeout-minutes`?"),
    (STEP + "run: a\n    with: {a: 1}", 4, "`with`, which belongs to `python`", ""),
    (STEP + "run: ''", 3, "`run` must be text", ""),
    (STEP + "run: " + "x" * 100_001, 3, "may have 100000 bytes", "into a file"),
    (STEP + "run: a\n    id: 1a", 4, "must be letters", ""),
    (STEP + "run: a\n    id: q\n  - run: b\n    id: q", 6, "step 2 has the id `q` of step 1", ""),
    (STEP + "run: a\n    id: step-2\n  - run: b", 5, "step 2 has the id `step-2` of step 1", ""),
    (STEP + "run: a\n    retries: -1", 4, "from 0 to 100", ""),
    (STEP + "run: a\n    retries: 1.5", 4, "from 0 to 100", ""),
    (STEP + "run: a\n    if: sucess()", 4, "cannot be 'sucess()'", "Did you mean `success()`?"),
    (STEP + "run: a\n    if: true", 4, "`if` must be text", ""),
    (STEP + "run: a\n    working-directory: ~/x", 4, "is absolute", ""),
    (STEP + "run: a\n    working-directory: x/../../y", 4, "has `..`", ""),
    (STEP + "python: os.system", 3, "`package.module:function`", ""),
    (STEP + "python: 'a:b'\n    with: {a: 2020-01-01}", 4, "got '2020-01-01' (a date)", ""),
    (STEP + "python: 'a:b'\n    with: {a: .nan}", 4, "a number that JSON can hold", ""),
    (STEP + "python: 'a:b'\n    with: {a: 99999999999999999999}", 4, "a number that JSON can hold", ""),
    (STEP + "python: 'a:b'\n    with: {a: &x [*x]}", 4, "nested too deeply", ""),
    (STEP + f"python: 'a:b'\n    with: {{a: {'x' * 100_001}}}", 4, "may have 100000 bytes", ""),
    (STEP + "write: {path: .git/config, content: a}", 3, "leads into `.git`", ""),
    (STEP + "write: {path: ., content: a}", 3, "must name a file", ""),
    (STEP + "write: {path: a/, content: a}", 3, "must name a file", ""),
    (STEP + "write: {path: a}", 3, "`write` needs `content`", ""),
    ("name: x\nsteps:\n" + "  - run: a\n" * 501, 3, "at most 500", ""),
    ("a: [\n", 2, "not valid YAML", ""),
    ("a: b\n---\nc: d\n", 2, "not valid YAML", ""),
    ("a: \x07\n", 1, "not valid YAML", ""),
    ("a: " + "[" * 5000, 1, "nested too deeply", ""),
    (b"name: \xff\n", 1, "must be UTF-8", ""),
    (b"x" * (1024 * 1024 + 1), 1, "may have 1048576 bytes", ""),
    ("name: x\ntimeout-minutes: !!int abc\nsteps: [{run: a}]\n", 2, "a number of minutes", ""),
]


@pytest.mark.parametrize(("text", "line", "problem", "hint"), WRONG)
def test_a_wrong_plan_is_refused_with_line_and_hint(
    tmp_path: Path, text: str | bytes, line: int, problem: str, hint: str
) -> None:
    error = refusal(tmp_path, text)

    assert str(error).startswith(f"{tmp_path}/plan.yml:{line}: ")
    assert problem in str(error)
    assert hint in str(error)


def test_values_that_aliases_multiply_are_refused(tmp_path: Path) -> None:
    layers = "\n".join(f"      l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9))
    text = f"{STEP}python: 'a:b'\n    with:\n      l0: &l0 [1]\n{layers}\n"

    assert "too large" in str(refusal(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"nothing\.yml"):
        load_plan(tmp_path / "nothing.yml", tmp_path)


def test_a_project_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="existing directory"):
        load_plan(write(tmp_path, "name: x\nsteps: [{run: a}]"), tmp_path / "gone")


def test_the_schema_names_every_key_and_what_it_means() -> None:
    schema = json_schema()
    step = schema["properties"]["steps"]["items"]

    assert set(schema["properties"]) == set(PLAN_SHAPE)
    assert set(step["properties"]) == set(STEP_SHAPE)
    assert schema["required"] == ["name", "steps"]
    assert step["oneOf"] == [{"required": ["run"]}, {"required": ["python"]}, {"required": ["write"]}]
    assert all(key["description"] for key in [*schema["properties"].values(), *step["properties"].values()])
    assert re.fullmatch(step["properties"]["id"]["pattern"], "a-b_1")
