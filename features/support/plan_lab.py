"""A small git project, plans for it, and a job that runs them in this very process.

The job is a real one as far as a plan can see: real processes, a real token. It needs no supervisor.
"""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from agentsd.errors import AgentsError, JobCancelled
from agentsd.plans.apply import apply
from agentsd.plans.capture import capture
from agentsd.plans.execute import execute
from agentsd.plans.file import load_plan
from agentsd.plans.frozen import FrozenPlan
from agentsd.plans.lifecycle import create, remove
from agentsd.plans.lock import repository_lock
from agentsd.plans.preparation import ApplyRequest
from agentsd.plans.repository import Repository, open_repository
from agentsd.plans.sandbox import Sandbox, SandboxRequest

JSON = Any


class Token:
    """A cancellation token that a test sets."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def is_set(self) -> bool:
        """Whether it is set."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask the job to end."""
        self._event.set()

    def wait(self, timeout: float | None) -> bool:
        """Wait for it to be set."""
        return self._event.wait(timeout)

    def raise_if_set(self) -> None:
        """Raise JobCancelled if it is set."""
        if self.is_set:
            raise JobCancelled


@dataclass(frozen=True)
class Ended:
    """How a tool ended."""

    exit_code: int | None
    signal: str | None
    timed_out: bool
    survivors: int = 0


@dataclass(frozen=True)
class Info:
    """Which job it is."""

    job_id: str


@dataclass(kw_only=True)
class Job:
    """A job context that runs tools with :mod:`subprocess`."""

    job: Info
    plan: Mapping[str, JSON] | None
    state_root: Path
    log_dir: Path
    payload: JSON = None
    options: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    token: Token = field(default_factory=Token)
    told: list[JSON] = field(default_factory=list[JSON])
    on_progress: Callable[[JSON], None] = lambda value: None
    shielded: int = 0
    last_seconds: float = 5.0

    def progress(self, value: JSON) -> None:
        """Remember what was told."""
        self.told.append(value)
        self.on_progress(value)

    @contextmanager
    def shield(self) -> Generator[None]:
        """Count the times it was raised."""
        self.shielded += 1
        yield

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        output: Path | None = None,
    ) -> Ended:
        """Run a tool to its end."""
        assert output is not None
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("ab") as file:
            tool = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        timed_out = self._wait(tool, timeout)
        code = tool.returncode
        if self.token.is_set:
            raise JobCancelled
        return Ended(code if code >= 0 else None, signal.Signals(-code).name if code < 0 else None, timed_out)

    def run_last(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        output: Path | None = None,
    ) -> Ended:
        """Run a tool although the token is set, for :attr:`last_seconds` at most."""
        if self.last_seconds <= 0:
            raise JobCancelled
        token, self.token = self.token, Token()
        try:
            limit = min(self.last_seconds, timeout or self.last_seconds)
            return self.run(argv, cwd=cwd, env=env, timeout=limit, output=output)
        finally:
            self.token = token

    def _wait(self, tool: subprocess.Popen[bytes], timeout: float | None) -> bool:
        """Wait for the tool; end its group when the token is set or its time is over."""
        watcher = threading.Thread(target=self._end_on_cancel, args=(tool,))
        watcher.start()
        try:
            tool.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(tool.pid, signal.SIGKILL)
            tool.wait()
            return True
        finally:
            watcher.join()
        return False

    def _end_on_cancel(self, tool: subprocess.Popen[bytes]) -> None:
        while tool.poll() is None:
            if self.token.wait(0.01):
                os.killpg(tool.pid, signal.SIGKILL)
                return


def result_of(error: AgentsError | JobCancelled) -> dict[str, JSON]:
    """The result that an error carries."""
    return cast("dict[str, JSON]", error.result)


class Lab:
    """A project in a fresh folder, with a first commit, and what a test does to it."""

    def __init__(self, folder: Path, state_root: Path) -> None:
        self.project = folder / "project"
        self.state = state_root
        self.folder = folder
        self.jobs = 0
        self.project.mkdir()

    def start_git(self, files: Mapping[str, str] | None = None) -> None:
        """Make the project a git repository with one commit."""
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")
        self.write(files or {"README": "one\ntwo\nthree\n"})
        self.commit()

    def commit(self) -> None:
        """Commit the whole work tree."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=a commit")

    def commit_whatever(self) -> None:
        """Commit the whole work tree, also if nothing has changed."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=a commit")

    def git(self, *args: str) -> str:
        """Run git in the project."""
        done = subprocess.run(["git", *args], cwd=self.project, check=True, capture_output=True)
        return os.fsdecode(done.stdout).rstrip("\n")

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files of the project."""
        for name, content in files.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def read(self, name: str) -> str:
        """Read a file of the project."""
        return (self.project / name).read_text()

    def plan(self, text: str) -> FrozenPlan:
        """Freeze a plan; *text* is its YAML without the name."""
        file = self.folder / "plan.yml"
        file.write_text(f"name: test\n{text}")
        return load_plan(file, self.project)

    def shell(self, script: str, more: str = "") -> FrozenPlan:
        """A plan with one step that runs *script*."""
        lines = "\n".join("      " + line for line in textwrap.dedent(script).strip().splitlines())
        return self.plan(f"{more}\nsteps:\n  - run: |\n{lines}\n")

    def job(
        self,
        plan: FrozenPlan,
        latest: Mapping[str, JSON] | None = None,
        plan_id: str = "PLAN",
        **more: JSON,
    ) -> Job:
        """Make a job on a plan; *latest* is the result that an apply shall apply."""
        self.jobs += 1
        job_id = f"JOB{self.jobs:03d}"
        order = {
            "plan_id": plan_id,
            "frozen": plan.to_json(),
            "latest": {"job_id": "x", "result": latest} if latest else None,
        }
        log_dir = self.state / "logs" / job_id
        return Job(job=Info(job_id), plan=order, state_root=self.state, log_dir=log_dir, **more)

    def execute(self, plan: FrozenPlan, **more: JSON) -> dict[str, JSON]:
        """Run a plan and return its result."""
        result: dict[str, JSON] = execute(self.job(plan, **more))
        return result

    def apply(self, plan: FrozenPlan, result: Mapping[str, JSON] | None, **more: JSON) -> dict[str, JSON]:
        """Apply a result and return the report."""
        report: dict[str, JSON] = apply(self.job(plan, result, **more))
        return report

    def request(
        self, plan: FrozenPlan, result: Mapping[str, JSON] | None, plan_id: str = "PLAN"
    ) -> ApplyRequest:
        """What a dry run asks for."""
        return ApplyRequest(plan_id=plan_id, plan=plan, result=result)

    def repository(self) -> Repository:
        """The project's repository, found afresh."""
        return open_repository(self.project, self.state)

    def make_sandbox(self, strategy: str, plan_id: str = "P", job_id: str = "J", **more: JSON) -> Sandbox:
        """A complete sandbox, as a job has it before its steps run."""
        wanted = SandboxRequest(plan_id=plan_id, job_id=job_id, strategy=strategy, **more)
        return create(self.repository(), self.state, wanted)

    def make_edit_capture(self, strategy: str, number: int) -> list[str]:
        """A whole life of a sandbox under the locks that jobs take; the paths that its change has."""
        with repository_lock(self.repository(), self.state):
            box = self.make_sandbox(strategy, f"P{number}")
        (box.path / f"file{number}").touch()
        with repository_lock(self.repository(), self.state):
            captured = capture(self.repository(), self.state, box)
            remove(self.repository(), box)
        return [change.path for change in captured.changes.files]

    def untouchables(self) -> dict[str, object]:
        """What no plan may ever change: index, HEAD, stash, refs outside ours, config."""
        git_dir = self.project / ".git"
        refs = [line for line in self.git("show-ref", "--head").splitlines() if "refs/agents/" not in line]
        return {
            "refs": refs,
            "index": (git_dir / "index").read_bytes(),
            "HEAD": (git_dir / "HEAD").read_text(),
            "config": (git_dir / "config").read_text(),
            "worktrees": self.git("worktree", "list").splitlines()[0],
        }
