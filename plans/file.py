"""The plan file: its keys, and freezing it into a :class:`FrozenPlan`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

from agentsd.errors import GitMissingError, InvalidInputError
from agentsd.model import JSON
from agentsd.plans import repository
from agentsd.plans.conditions import Condition
from agentsd.plans.document import compose
from agentsd.plans.frozen import Action, FrozenPlan, Limits, PythonAction, RunAction, Step, WriteAction
from agentsd.plans.kinds import (
    BOOLEAN,
    LINES,
    MAX_MINUTES,
    MINUTES,
    NAME,
    TEXT,
    Kind,
    choice,
    integer,
    list_of,
)
from agentsd.plans.nodes import Source, items
from agentsd.plans.shape import Fields, Key, Shape, read_shape, shape_schema, shaped
from agentsd.plans.values import (
    ARGUMENTS,
    CONDITION,
    ENVIRONMENT,
    FILE_PATH,
    IDENT,
    PATH,
    PATTERN,
    PLACE,
    SCRIPT,
    SIZE,
    TARGET,
)

SANDBOXES = ("worktree", "clone", "copy", "none")
ACTIONS = ("run", "python", "write")
MAX_STEPS = 500
_NAME_LENGTH = 60

WRITE_SHAPE: Shape = {
    "path": Key(FILE_PATH, "The file, relative to the working directory.", required=True),
    "content": Key(TEXT, "The whole content of the file.", required=True),
}

STEP_SHAPE: Shape = {
    "id": Key(IDENT, "A short name for logs and `--step`; `step-N` if it is missing."),
    "name": Key(NAME, "What people see; else a few words about what the step does."),
    "run": Key(SCRIPT, "A script for `bash -eo pipefail` (`sh -e` where there is no bash)."),
    "python": Key(TARGET, "A function `package.module:function`, called with the arguments in `with`."),
    "with": Key(ARGUMENTS, "Keyword arguments for `python`."),
    "write": Key(shaped("`write`", WRITE_SHAPE), "A file to write."),
    "if": Key(CONDITION, "When to run: `success()` (the default), `failure()` or `always()`."),
    "env": Key(ENVIRONMENT, "Environment variables of this step."),
    "working-directory": Key(PATH, "Where to run, relative to the project."),
    "timeout-minutes": Key(MINUTES, "Limit for each try of this step."),
    "retries": Key(integer(0, 100), "How often to try again after a failure."),
    "continue-on-error": Key(BOOLEAN, "Whether the plan goes on, and succeeds, although this step failed."),
}

LIMITS_SHAPE: Shape = {
    "memory": Key(SIZE, "Address space of each process, such as 2 GiB."),
    "cpu-seconds": Key(integer(1, MAX_MINUTES * 60), "CPU time of each process."),
    "open-files": Key(integer(16, 1_048_576), "File descriptors of each process."),
    "nice": Key(integer(0, 19), "How far each process stands back when others want the CPU."),
}


def _read_steps(source: Source, node: yaml.Node, what: str) -> list[Step]:
    nodes = items(source, node, what)
    if not nodes:
        raise source.error(
            node, "the plan has no steps", hint="Give at least one with `run`, `python` or `write`."
        )
    if len(nodes) > MAX_STEPS:
        raise source.error(node, f"the plan has {len(nodes)} steps, at most {MAX_STEPS} are allowed")
    every = [read_shape(source, item, f"step {n}", STEP_SHAPE) for n, item in enumerate(nodes, start=1)]
    steps = [_step(fields, number) for number, fields in enumerate(every, start=1)]
    seen: dict[str, int] = {}
    for number, (step, fields) in enumerate(zip(steps, every, strict=True), start=1):
        if step.id in seen:
            raise fields.error("id", f"step {number} has the id `{step.id}` of step {seen[step.id]}")
        seen[step.id] = number
    return steps


def _step_schema() -> dict[str, JSON]:
    """One step: exactly one action, and ``with`` only beside ``python``."""
    one = {
        "oneOf": [{"required": [action]} for action in ACTIONS],
        "dependentRequired": {"with": ["python"]},
    }
    return shape_schema(STEP_SHAPE) | one


STEPS = Kind(
    _read_steps,
    {"type": "array", "minItems": 1, "maxItems": MAX_STEPS, "items": _step_schema()},
    f"a list of 1 to {MAX_STEPS} steps",
)

PLAN_SHAPE: Shape = {
    "name": Key(NAME, "What the plan is called in lists.", required=True),
    "description": Key(LINES, "What it is for."),
    "env": Key(ENVIRONMENT, "Environment variables of every step."),
    "timeout-minutes": Key(MINUTES, "Limit for the whole execute job; else the setting async.job_timeout."),
    "sandbox": Key(
        choice(*SANDBOXES),
        "Where the steps run: `worktree` (default in a git repository), `clone`, `copy` (default elsewhere) "
        "or `none`, the project itself.",
    ),
    "include": Key(
        list_of(PATTERN), "Ignored files to bring into the sandbox; default: what `.worktreeinclude` names."
    ),
    "paths": Key(list_of(PLACE), "Where changes may be; a change elsewhere refuses the apply."),
    "rerun-safe": Key(
        BOOLEAN, "Whether a plan without a sandbox may be run again after a shutdown cut it short."
    ),
    "limits": Key(shaped("`limits`", LIMITS_SHAPE), "What each process of a step may use."),
    "steps": Key(STEPS, "What to do, one after the other.", required=True),
}


def load_plan(path: Path, project: Path) -> FrozenPlan:
    """Validate the plan file *path* and freeze it for *project*.

    Raises PlanFileError (with file and line) for a wrong plan, InvalidInputError for a file that cannot be
    read or a project that is no directory, SandboxError if git refuses.
    """
    source, node, data = compose(path)
    fields = read_shape(source, node, "the plan", PLAN_SHAPE)
    if not project.is_dir():
        raise InvalidInputError("project", expected="an existing directory", got=str(project))
    place = _locate(project, fields.get("sandbox"))
    sandbox: str = fields.get("sandbox") or ("worktree" if place.in_git else "copy")
    if sandbox in {"worktree", "clone"} and not place.in_git:
        hint = "Use `copy` or `none`."
        raise fields.error(
            "sandbox", f"`sandbox: {sandbox}` needs a git repository, {place.root} is in none", hint=hint
        )
    return FrozenPlan(
        name=fields["name"],
        description=fields.get("description"),
        project=str(place.root),
        source_path=str(path.absolute()),
        source_sha256=hashlib.sha256(data).hexdigest(),
        sandbox=sandbox,
        env=fields.get("env", {}),
        timeout=fields.get("timeout-minutes"),
        include=tuple(fields["include"]) if "include" in fields else None,
        paths=tuple(fields.get("paths", ())),
        rerun_safe=fields.get("rerun-safe", False),
        limits=_limits(fields.get("limits", {})),
        branch=place.branch,
        head=place.head,
        steps=tuple(fields["steps"]),
    )


def _locate(project: Path, sandbox: str | None) -> repository.Location:
    """Where the project is. A plan without a sandbox needs no git to know. GitMissingError, SandboxError."""
    try:
        return repository.locate(project)
    except GitMissingError:
        if sandbox != "none":
            raise
        return repository.Location(root=project.resolve(), in_git=False)


def json_schema() -> dict[str, JSON]:
    """The JSON Schema of the plan file. It says what the reader here enforces, as far as a schema can."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "agentsd plan"}
    return head | shape_schema(PLAN_SHAPE)


def schema_file() -> Path:
    """Where the shipped copy of :func:`json_schema` is, for editors. ``docs/generate_plan_file.py`` writes it."""
    return Path(__file__).with_name("plan.schema.json")


def _limits(fields: Fields | dict[str, JSON]) -> Limits:
    return Limits(
        memory=fields.get("memory"),
        cpu=fields.get("cpu-seconds"),
        open_files=fields.get("open-files"),
        nice=fields.get("nice"),
    )


def _step(fields: Fields, number: int) -> Step:
    action = _action(fields, number)
    return Step(
        id=fields.get("id", f"step-{number}"),
        name=fields.get("name") or _default_name(action),
        action=action,
        condition=Condition(fields.get("if", Condition.SUCCESS)),
        env=fields.get("env", {}),
        working_directory=fields.get("working-directory"),
        timeout=fields.get("timeout-minutes"),
        retries=fields.get("retries", 0),
        continue_on_error=fields.get("continue-on-error", False),
    )


def _action(fields: Fields, number: int) -> Action:
    given = [action for action in ACTIONS if action in fields]
    if len(given) != 1:
        problem = f"both `{given[0]}` and `{given[1]}`" if given else "no action"
        raise fields.error(
            given[-1] if given else "",
            f"step {number} has {problem}",
            hint="Give exactly one of run, python, write.",
        )
    if "with" in fields and given != ["python"]:
        raise fields.error("with", f"step {number} has `with`, which belongs to `python`")
    if given == ["run"]:
        return RunAction(fields["run"])
    if given == ["python"]:
        return PythonAction(fields["python"], fields.get("with", {}))
    return WriteAction(fields["write"]["path"], fields["write"]["content"])


def _default_name(action: Action) -> str:
    """What a step does in a few words, as one line that any terminal shows."""
    if isinstance(action, PythonAction):
        words = f"Call {action.target}"
    elif isinstance(action, WriteAction):
        words = f"Write {action.path}"
    else:
        line = action.script.strip().splitlines()[0]
        words = f"Run {line if len(line) <= _NAME_LENGTH else line[:_NAME_LENGTH] + '…'}"
    return "".join(char if char.isprintable() else " " for char in words)
