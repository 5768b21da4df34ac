"""The plan file: what it takes, what it refuses, and how it says so."""

from __future__ import annotations

import datetime
import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from support.plan_lab import Lab

from agentsd.errors import BadPayloadError, InvalidInputError, PlanFileError
from agentsd.plans.conditions import Condition
from agentsd.plans.file import PLAN_SHAPE, STEP_SHAPE, json_schema, load_plan, schema_file
from agentsd.plans.frozen import FrozenPlan, Limits, PythonAction, RunAction, WriteAction
from agentsd.plans.origin import compare

WHOLE = """\
name: bump-requests
description: all keys
env: {CI: "1"}
timeout-minutes: 60
sandbox: worktree
include: [.env, "!secret"]
paths: ["src/**", VERSION]
rerun-safe: true
limits: {memory: 2 GiB, cpu-seconds: 30, open-files: 256, nice: 5}
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
    assert plan.limits == Limits(memory=2 * 2**30, cpu=30, open_files=256, nice=5)
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
    source = Path(plan.source_path)
    seen = [compare(plan.source_path, plan.source_sha256)]
    for change in (lambda: source.write_text("name: other"), source.unlink, source.mkdir):
        change()
        seen.append(compare(plan.source_path, plan.source_sha256))

    assert seen == ["same", "changed", "gone", "changed"]


STEP = "name: x\nsteps:\n  - "

GOOD = [
    WHOLE,
    "\ufeffname: x\r\nsteps:\r\n  - run: a\r\n",
    "%YAML 1.1\n---\nname: x\nsteps: [&s {run: a, timeout-minutes: 0x10}, *s]\n",
    '{"name": "\\ud83d\\ude00 \u200dx", "steps": [{"run": "a"}]}',
    "name: x\ndescription: |\n  one\n  \ttwo\nsteps: [{run: a}]\n",
    "name: x\nlimits: {memory: 4096, cpu-seconds: 31536000, nice: 0}\nsteps: [{run: a}]\n",
    "name: x\nlimits: {memory: '1.5 kib'}\nsteps: [{run: a}]\n",
    "name: x\npaths: ['*', .github/x, a..b, .gitignore]\nsteps: [{run: a}]\n",
    "name: x\nsteps: [{write: {path: ./a/.b/..c, content: ''}}]\n",
    "name: x\nsteps: [{run: a, working-directory: ., if: ' ${{ failure ( ) }} '}]\n",
    "name: x\nsteps: [{python: 'käse.b_1:C.f'}, {run: a, id: _a-b}]\n",
]

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
    (STEP + "run: a\n    id: 1a", 4, "must be 1 to 64 letters", ""),
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
    ("name:\nsteps: [{run: a}]\n", 1, "`name` must be text, got nothing.", ""),
    ('name: "a\\nb"\nsteps: [{run: a}]\n', 1, r"the control character '\n'", "one line of plain text"),
    ('name: "a\\e[31mb"\nsteps: [{run: a}]\n', 1, r"the control character '\x1b'", ""),
    ('name: "a\\x9bb"\nsteps: [{run: a}]\n', 1, r"the control character '\x9b'", ""),
    ('name: "a\\u202eb"\nsteps: [{run: a}]\n', 1, r"the control character '\u202e'", ""),
    ("name: |\n  a\nsteps: [{run: a}]\n", 1, r"the control character '\n'", ""),
    ("name: " + "x" * 201 + "\nsteps: [{run: a}]\n", 1, "may have 200 characters, this has 201", ""),
    ('name: "\\ud800"\nsteps: [{run: a}]\n', 1, "half of a surrogate pair", ""),
    ('name: x\ndescription: "a\\eb"\nsteps: [{run: a}]\n', 2, r"the control character '\x1b'", ""),
    (STEP + 'run: a\n    name: "a\\tb"', 4, r"`name` contains the control character '\t'", ""),
    (STEP + 'run: a\n    id: "a\\n"', 4, "must be 1 to 64 letters", ""),
    ("name: x\nsteps:\n\t- run: a\n", 3, "not valid YAML", "indents with spaces"),
    ("name: x\n<<: {env: {A: b}}\nsteps: [{run: a}]\n", 2, "a merge key, which plans do not have", ""),
    ("name: x\ntimeout-minutes: 1e+308\nsteps: [{run: a}]\n", 2, "at most 525600", ""),
    ("name: x\ntimeout-minutes: .nan\nsteps: [{run: a}]\n", 2, "greater than 0", ""),
    ("name: x\ntimeout-minutes: 1:30\nsteps: [{run: a}]\n", 2, "a number of minutes", "readers disagree"),
    (STEP + "run: a\n    retries: 010", 4, "a whole number", "readers disagree"),
    (STEP + "run: a\n    if: suc cess()", 4, "cannot be 'suc cess()'", "Did you mean `success()`?"),
    (STEP + "run: a\n    if: ${{ always()", 4, "cannot be", "Did you mean `always()`?"),
    ("name: x\nlimits: {memory: 1.5}\nsteps: [{run: a}]\n", 2, "a size", ""),
    ("name: x\nlimits: {memory: 0}\nsteps: [{run: a}]\n", 2, "a size", ""),
    ("name: x\nlimits: {memory: '0.5'}\nsteps: [{run: a}]\n", 2, "a size", ""),
    ("name: x\npaths: [a/.GIT/b]\nsteps: [{run: a}]\n", 2, "leads into `.git`", ""),
    ("name: x\ninclude: ['!/x']\nsteps: [{run: a}]\n", 2, "is absolute", ""),
    (STEP + "write: {path: ././, content: a}", 3, "must name a file", ""),
    (b"n\0a\0", 1, "not valid YAML", ""),
]

BEYOND_A_SCHEMA = (
    "stands twice", "has the id", "a value tagged", "nested too deeply", "that JSON can hold", "(a date)",
    "not valid YAML", "must be UTF-8", "may have 1048576 bytes", "may have 100000 bytes", "readers disagree",
    "merge key", ".nan", "!!int", "the plan is empty", "'0.5'", "half of a surrogate",
)  # fmt: skip
"""What is wrong with a file and not with the value that it holds, or is a matter of size."""


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


@pytest.mark.parametrize("text", GOOD)
def test_an_odd_plan_is_taken(lab: Lab, text: str) -> None:
    assert load_plan(write(lab.folder, text), lab.project).name


def test_a_pair_of_escapes_is_one_character(lab: Lab) -> None:
    plan = load_plan(write(lab.folder, GOOD[3]), lab.project)

    assert plan.name.startswith("\N{GRINNING FACE}")


def test_a_name_made_from_a_script_is_plain(lab: Lab) -> None:
    plan = lab.plan("steps: [{run: \"printf '\\e[31m'\\t# x\"}]")

    assert plan.steps[0].name == "Run printf ' [31m' # x"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nothing.yml", "No such file"),
        ("-", "Standard input is not read"),
        (".", "It is a folder"),
        ("pipe", "It is a pipe"),
        ("/dev/zero", "It is a device"),
        ("a\0b", "null byte"),
    ],
)
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidInputError, match=f"expected a regular file.*{hint}"):
        load_plan(Path(name), tmp_path)


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


def value_of(text: str | bytes) -> Any:
    """The value that an editor's YAML reader sees, which is what the schema judges."""
    return yaml.safe_load(text.decode() if isinstance(text, bytes) else text.removeprefix("\ufeff"))


@pytest.fixture(scope="module")
def validator() -> Any:  # its types are known in part only
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("text", GOOD)
def test_the_schema_takes_what_the_reader_takes(validator: Any, text: str) -> None:
    assert [error.message for error in validator.iter_errors(value_of(text))] == []


@pytest.mark.parametrize(("text", "line", "problem", "hint"), WRONG)
def test_the_schema_refuses_what_the_reader_refuses(
    validator: Any, text: str | bytes, line: int, problem: str, hint: str
) -> None:
    if any(each in f"{text!r}{problem}{hint}" for each in BEYOND_A_SCHEMA):
        return
    value = value_of(text)

    assert not isinstance(value, datetime.date)
    assert not validator.is_valid(value)


def test_the_schema_is_shipped_as_the_code_has_it() -> None:
    """After a change of the keys: ``python docs/generate_plan_file.py`` writes both."""
    assert json_schema() == json.loads(schema_file().read_text())
