"""Carrying out one try of one step: a shell script, a Python function, or a file to write."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agentsd.plans.durable import write_durably
from agentsd.plans.frozen import Limits, PythonAction, RunAction, Step, WriteAction
from agentsd.plans.ports import RunTool, ToolResult

_CALL = """\
import importlib, json, os, sys
sys.path[0] = os.getcwd()
target, arguments = sys.argv[1], json.loads(sys.argv[2])
del sys.argv[1:]
module, _, name = target.partition(":")
function = importlib.import_module(module)
for part in name.split("."):
    function = getattr(function, part)
result = function(**arguments)
if result is not None:
    print(repr(result))
"""
"""The program of a python step. It is given as text and not as a module of ours, so that nothing in the
working directory can stand in its way."""

_MEMORY_UNIT = 1024
"""``ulimit -v`` counts in units of this many bytes."""
_CPU_GRACE = 5
"""Seconds of CPU between SIGXCPU, which a program may handle, and SIGKILL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """Where and how a step runs. *env* is its whole environment, *log* takes its output."""

    root: Path
    in_sandbox: bool
    env: Mapping[str, str]
    log: Path
    limits: Limits


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended; *problem* is empty if it succeeded and else continues "the step …"."""

    problem: str = ""
    exit_code: int | None = None
    survivors: int = 0


def perform(run: RunTool, step: Step, context: StepContext) -> Outcome:
    """Carry out *step* once; *run* runs its tool.

    Only cancellation raises (JobCancelled); whatever else goes wrong is an outcome.
    """
    if context.in_sandbox and context.root.is_symlink():
        return _refuse(context, f"could not run: the sandbox {context.root} was replaced by a symbolic link")
    try:
        folder = _inside(context.root, context.root / (step.working_directory or "."))
        if not folder.is_dir():
            return _refuse(context, f"has no working directory: {step.working_directory} is not there")
        if isinstance(step.action, WriteAction):
            return _write(step.action, folder, context)
        argv, env = _command(step.action, context)
        result = run(
            _limited(argv, context.limits), cwd=folder, env=env, timeout=step.timeout, output=context.log
        )
    except OSError as error:
        return _refuse(context, f"could not run: {error}")
    return Outcome(_problem(result, step), result.exit_code, result.survivors)


def _command(action: RunAction | PythonAction, context: StepContext) -> tuple[list[str], Mapping[str, str]]:
    """The argument list of a tool and its whole environment."""
    if isinstance(action, RunAction):
        return _shell(action, context.env.get("PATH")), context.env
    argv = [sys.executable, "-c", _CALL, action.target, json.dumps(dict(action.arguments))]
    return argv, {**context.env, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def _shell(action: RunAction, path: str | None) -> list[str]:
    if bash := shutil.which("bash", path=path):
        return [bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", action.script]
    return ["/bin/sh", "-e", "-c", action.script]


def _limited(argv: list[str], limits: Limits) -> list[str]:
    """*argv* under a shell that sets the limits and then becomes it."""
    settings: list[str] = []
    if limits.memory is not None:
        settings.append(f"ulimit -v {max(1, limits.memory // _MEMORY_UNIT)}")
    if limits.cpu is not None:
        settings.append(f"ulimit -S -t {limits.cpu} && ulimit -H -t {limits.cpu + _CPU_GRACE}")
    if limits.open_files is not None:
        settings.append(f"ulimit -n {limits.open_files}")
    if limits.nice is not None:
        argv = ["nice", "-n", str(limits.nice), *argv]
    if not settings:
        return argv
    return ["/bin/sh", "-c", " && ".join([*settings, 'exec "$@"']), "sh", *argv]


def _problem(result: ToolResult, step: Step) -> str:
    if result.timed_out and step.timeout is None:
        return "did not end in the time that was left"
    if result.timed_out:
        return f"did not end within {step.timeout:g} s"
    if result.signal:
        return f"was ended by {result.signal}"
    return f"ended with exit code {result.exit_code}" if result.exit_code else ""


def _write(action: WriteAction, folder: Path, context: StepContext) -> Outcome:
    target = folder / action.path
    if target.is_dir() and not target.is_symlink():
        return _refuse(context, f"cannot write {action.path}: it is a folder")
    _inside(context.root, target.parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = None
    with suppress(FileNotFoundError):
        mode = stat.S_IMODE(target.stat().st_mode)
    write_durably(target, action.content.encode("utf-8", "surrogatepass"), mode=0o666)
    if mode is not None:
        target.chmod(mode)
    _log(context, f"wrote {action.path}, {len(action.content)} characters")
    return Outcome()


def _inside(root: Path, path: Path) -> Path:
    """*path* with links followed. OSError if a link leads out of the sandbox."""
    real, top = path.resolve(), root.resolve()
    if real != top and top not in real.parents:
        raise OSError(f"{path} leads out of the sandbox, to {real}")
    return real


def _refuse(context: StepContext, problem: str) -> Outcome:
    _log(context, problem)
    return Outcome(problem)


def _log(context: StepContext, text: str) -> None:
    context.log.parent.mkdir(parents=True, exist_ok=True)
    with context.log.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text + "\n")
