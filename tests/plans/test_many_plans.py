"""Sixteen plans of one repository at once, on a real worker with four slots: all right, and nothing left over."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.agents import Agents
from support.home import Home
from support.judge import Files, files_in, private_files
from support.patience import eventually
from support.plan_lab import Lab
from support.supervisor import Supervisor

PLANS = range(16)
SHARED = [f"line {number}" for number in range(8 * len(PLANS))]

STEPS = [
    "echo {number} > made{number}",
    'git add --all && git -c user.name=a -c user.email=a@b commit --quiet -m "work of {number}"',
    "git checkout --quiet -b agent-{number} && echo {number} > branched{number} && git add branched{number}",
    "echo {number} > hidden{number} && git add hidden{number} && git stash --quiet && git stash pop --quiet",
]
"""What plans do besides editing their own line; three of four use git."""


@dataclass(frozen=True)
class Crowd:
    """A project with work of the user's in it, a worker, and the plans."""

    lab: Lab
    agents: Agents
    worker: Supervisor

    def create(self, number: int, sandbox: str) -> str:
        """Create a plan that edits its own line of a shared file, makes a file, and does something with git."""
        file = self.lab.folder / f"plan{number}.yaml"
        extra = STEPS[number % len(STEPS)].format(number=number)
        file.write_text(
            f"name: plan-{number}\nsandbox: {sandbox}\nsteps:\n"
            f"  - run: sed -i 's/^line {8 * number}$/plan {number}/' shared\n"
            f"  - run: '{extra}'\n"
            f"  - write: {{path: 'out/{number}.txt', content: 'written by {number}'}}\n"
        )
        return self.agents.ask("plan", "create", str(file), "--project", str(self.lab.project))["plan_id"]

    def start(self, phase: str, plan_id: str) -> str:
        """Queue *phase* of a plan and return the job's id."""
        return self.agents.ask("plan", phase, plan_id)["job_id"]

    def all_succeed(self, jobs: list[str]) -> None:
        """Wait until every one of *jobs* has ended; each must have succeeded."""
        with self.agents.home.connect() as client:
            eventually(
                lambda: all(client.get(job).status.is_terminal for job in jobs),
                100,
                lambda: str([(job, client.get(job).status) for job in jobs]),
            )
            ended = [client.get(job) for job in jobs]
        assert [(job.status, job.reason) for job in ended] == [("succeeded", "completed")] * len(jobs), [
            (job.error, job.result) for job in ended if job.status != "succeeded"
        ]


@pytest.fixture
def crowd(
    lab: Lab, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Crowd]:
    """A project in the middle of somebody's work, and a worker with four slots."""
    lab.write({"shared": "".join(f"{line}\n" for line in SHARED), "edited": "old\n"})
    lab.commit()
    lab.git("branch", "feature")
    lab.write({"edited": "put aside\n"})
    lab.git("stash", "push", "--quiet")
    lab.write({"staged": "staged\n", "edited": "new\n", "untracked": "untracked\n"})
    lab.git("add", "staged")
    agents = Agents(home, monkeypatch, capsys)
    agents.set("async.enabled", "true")
    worker = Supervisor(home, "--max-workers", "4").start()
    yield Crowd(lab, agents, worker)
    try:
        worker.stop()
    finally:
        worker.end()


def wanted(before: Files, numbers: range) -> Files:
    """The project's files after the plans *numbers* were applied."""
    made: Files = dict(before)
    lines = list(SHARED)
    for number in numbers:
        lines[8 * number] = f"plan {number}"
        made[f"out/{number}.txt"] = ("file", f"written by {number}".encode())
        if word := {0: "made", 2: "branched", 3: "hidden"}.get(number % len(STEPS)):
            made[f"{word}{number}"] = ("file", f"{number}\n".encode())
    made["shared"] = ("file", "".join(f"{line}\n" for line in lines).encode())
    return made


@pytest.mark.slow
@pytest.mark.parametrize("sandbox", ["worktree", "clone"])
def test_sixteen_plans_at_once(crowd: Crowd, sandbox: str) -> None:
    """All execute at once, half are applied one after the other and half at once."""
    lab = crowd.lab
    before, private = files_in(lab.project), private_files(lab.project)
    plans = [crowd.create(number, sandbox) for number in PLANS]

    crowd.all_succeed([crowd.start("execute", plan) for plan in plans])
    assert (files_in(lab.project), private_files(lab.project)) == (before, private)

    for number, plan in enumerate(plans[:8]):
        crowd.all_succeed([crowd.start("apply", plan)])
        assert files_in(lab.project) == wanted(before, range(number + 1))
    crowd.all_succeed([crowd.start("apply", plan) for plan in plans[8:]])
    assert files_in(lab.project) == wanted(before, PLANS)
    assert private_files(lab.project) == private

    assert_nothing_left(crowd)


def assert_nothing_left(crowd: Crowd) -> None:
    lab = crowd.lab
    assert lab.git("worktree", "list").splitlines()[1:] == []
    assert list((lab.project / ".git").glob("worktrees/*")) == []
    assert [path for path in (lab.project / ".git").rglob("*.lock") if path.name != "agentsd.lock"] == []
    assert list(lab.project.rglob(".agentsd-*")) == []
    assert list((lab.state / "sandboxes").glob("*/*")) == []
    assert list((lab.state / "scratch").glob("*")) == []
    assert lab.git("fsck", "--strict", "--no-dangling") == ""
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=normal"],
        cwd=lab.project, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert {" M edited", "A  staged", " M shared", "?? untracked", "?? out/"} <= set(changed)
    assert crowd.agents("diagnostics", "--format", "json").code == 0
    assert crowd.agents("cleanup", "--dry-run", "--format", "json").code == 0
