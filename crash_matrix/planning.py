"""A plan is executed or applied, with the fault in the middle of it, and the user's project looked at."""

from __future__ import annotations

import subprocess

from support.judge import files_in, private_files
from support.operator import Operator
from support.patience import eventually

from agentsd.errors import ExitCode
from agentsd.model import AsyncJob
from crash_matrix import expected
from crash_matrix.expected import DONE
from crash_matrix.stage import Stage

PLAN = """\
name: matrix
steps:
  - run: |
      for number in 1 2 3 4 5; do echo "new $number" > "file-$number"; done
      echo changed > VERSION
      rm GONE
"""
BEFORE = {"VERSION": "1.0\n", "GONE": "soon\n", "KEPT": "kept\n", "plan.yaml": PLAN}
WHO = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")


class Project:
    """A git project with a plan in it, and with staged and unstaged edits of its user."""

    def __init__(self, stage: Stage, *, queued: bool = True) -> None:
        self.stage = stage
        self.folder = stage.home.root / "project"
        self.folder.mkdir()
        for name, content in BEFORE.items():
            (self.folder / name).write_text(content)
        for words in (("init", "-q", "-b", "main"), ("add", "."), (*WHO, "commit", "-q", "-m", "Begin")):
            self.git(*words)
        (self.folder / "staged").write_text("staged\n")
        self.git("add", "staged")
        (self.folder / "KEPT").write_text("edited by its user\n")
        stage.home.set("async.enabled", queued)
        self.operator = Operator(stage.home, self.folder)
        self.plan_id: str = self.operator.ask("plan", "create", "plan.yaml").data["plan_id"]
        self.files, self.private = files_in(self.folder), private_files(self.folder)

    def git(self, *words: str) -> str:
        """Run git in the project."""
        done = subprocess.run(
            ("git", *words),
            cwd=self.folder,
            env=self.stage.home.environ,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def queue(self, phase: str) -> str:
        """Queue a phase; returns the job's id."""
        job_id: str = self.operator.ask("plan", phase, self.plan_id).data["job_id"]
        self.stage.acknowledged.add(job_id)
        return job_id

    def end_of(self, job_id: str) -> AsyncJob:
        """The job as it ended."""
        look = self.stage.client.get
        eventually(lambda: look(job_id).status.is_terminal, 40, "the phase ends")
        return look(job_id)

    def must(self, phase: str) -> AsyncJob:
        """A phase that has to succeed."""
        job = self.end_of(self.queue(phase))
        assert job.reason == "completed", f"{phase}: {job.reason} ({job.error})"
        return job

    def apply_again(self) -> str:
        """Apply after one that did not succeed; returns what that said. One whose journal is finished was whole."""
        answer = self.operator.ask("plan", "apply", self.plan_id)
        if answer.exit_code == ExitCode.CONFLICT and "is applied" in answer.messages:
            return "it was whole, and the next apply says that it is applied"
        job = self.end_of(answer.data["job_id"])
        assert job.reason == "completed", f"apply: {job.reason} ({job.error})"
        self.stage.acknowledged.add(job.job_id)
        return "applied again, it was whole"

    def comes_and_goes(self, job: AsyncJob) -> None:
        """After the apply that met the fault: applied again it is whole, and reverted it leaves no trace."""
        if job.reason != "completed":
            self.stage.told.append(self.apply_again())
        self.is_applied()
        self.stage.must("plan", "revert", self.plan_id)
        self.is_untouched()
        self.stage.told.append("reverted, the project was as before")

    def is_untouched(self) -> None:
        """Files, index, HEAD, refs and stash of the user are what they were, byte for byte."""
        assert files_in(self.folder) == self.files, "files of the user have changed"
        assert private_files(self.folder) == self.private, "index, HEAD, refs or configuration have changed"

    def is_applied(self) -> None:
        """Every file is what the plan made of it, the user's edits are there, the index is untouched."""
        found = {name: content.decode() for name, (_, content) in files_in(self.folder).items()}
        wanted = {name: content.decode() for name, (_, content) in self.files.items() if name != "GONE"}
        wanted |= {"VERSION": "changed\n", **{f"file-{number}": f"new {number}\n" for number in range(1, 6)}}
        assert found == wanted, f"not applied whole: {sorted(set(found.items()) ^ set(wanted.items()))}"
        assert private_files(self.folder) == self.private, "index, HEAD, refs or configuration have changed"

    def nothing_is_left(self) -> None:
        """After a clean-up: no sandbox, no registration of one, no folder that nobody knows, a sound repository."""
        answer = self.operator.ask("cleanup").data
        assert not answer["unknown"], f"unknown to the clean-up: {answer['unknown']}"
        # Killed after its last write, before its sandbox went, and then reverted: the plan is ready, and keeps it.
        if any(each["plan_id"] == self.plan_id for each in answer["needed"]):
            assert self.operator.ask("plan", "show", self.plan_id).data["state"] == "ready"
            assert self.operator.ask("plan", "discard", self.plan_id).exit_code == 0
        boxes = list(self.stage.home.state.sandboxes.glob("*/*"))
        assert not boxes, f"sandboxes are left: {boxes}"
        trees = self.git("worktree", "list", "--porcelain").count("worktree ")
        assert trees == 1, "a work tree is still registered"
        self.git("fsck", "--strict", "--no-dangling")


def execute(stage: Stage) -> dict[str, set[str]]:
    """The plan is executed, meets the fault, is executed again and applied."""
    project = _begin(stage)
    stage.arm()
    job_id = project.queue("execute")
    stage.strike()
    job = _met(project, job_id)
    project.is_untouched()
    stage.told.append(f"execute ended {job.status}/{job.reason}, the project untouched")
    if job.reason != "completed":
        project.must("execute")
        stage.told.append("executed again, it succeeded")
    project.is_untouched()
    project.must("apply")
    project.is_applied()
    project.nothing_is_left()
    return _endings()


def apply(stage: Stage) -> dict[str, set[str]]:
    """The plan is applied and meets the fault; applied again it is whole, reverted it is as before."""
    project = _begin(stage)
    project.must("execute")
    stage.arm()
    job_id = project.queue("apply")
    stage.strike()
    job = _met(project, job_id)
    stage.told.append(f"apply ended {job.status}/{job.reason}")
    project.comes_and_goes(job)
    project.must("apply")
    project.is_applied()
    project.nothing_is_left()
    return _endings()


def _begin(stage: Stage) -> Project:
    stage.connect()
    stage.healthy_worker()
    stage.faulty_worker()
    return Project(stage)


def _met(project: Project, job_id: str) -> AsyncJob:
    """The job that has met the fault, as it ended."""
    job = project.end_of(job_id)
    allowed = expected.of_plan(project.stage.cell)
    assert str(job.reason) in allowed, f"{job.reason} ({job.error}), not {allowed}"
    return job


def _endings() -> dict[str, set[str]]:
    return {"near": DONE, "far": DONE, "late": DONE}
