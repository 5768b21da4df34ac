"""A plan is executed, applied or reverted by the command itself, with the fault in the middle of it."""

from __future__ import annotations

from agentsd.model import AsyncJob
from crash_matrix import expected
from crash_matrix.expected import DONE
from crash_matrix.planning import Project
from crash_matrix.stage import Stage


def execute(stage: Stage) -> dict[str, set[str]]:
    """`agents plan execute` here and now; a healthy worker is there and ends what a killed command leaves."""
    project = _begin(stage)
    job = _meet(project, "execute")
    project.is_untouched()
    if job.reason != "completed":
        _must(project, "execute")
        stage.told.append("executed again, it succeeded")
    _must(project, "apply")
    project.is_applied()
    project.nothing_is_left()
    return _endings()


def apply(stage: Stage) -> dict[str, set[str]]:
    """`agents plan apply` here and now; applied again it is whole, reverted it is as before."""
    project = _begin(stage)
    _must(project, "execute")
    job = _meet(project, "apply")
    project.comes_and_goes(job)
    project.nothing_is_left()
    return _endings()


def revert(stage: Stage) -> dict[str, set[str]]:
    """`agents plan revert`; run again it goes on, and the project is as before the apply."""
    project = _begin(stage)
    _must(project, "execute")
    _must(project, "apply")
    code = _strike(project, "revert")
    if code:
        stage.told.append(f"the revert {_how(code)}")
        stage.must("plan", "revert", project.plan_id)
        stage.told.append("run again, it went on, and the project was as before the apply")
    else:
        stage.told.append("the project was as before the apply")
    project.is_untouched()
    _must(project, "apply")
    project.is_applied()
    project.nothing_is_left()
    return _endings()


def _begin(stage: Stage) -> Project:
    stage.connect()
    stage.healthy_worker()
    return Project(stage, queued=False)


def _must(project: Project, phase: str) -> None:
    answer = project.operator.ask("plan", phase, project.plan_id)
    project.stage.acknowledged.add(answer.data["job_id"])


def _meet(project: Project, phase: str) -> AsyncJob:
    """Run the command into the fault; returns its job as it ended."""
    stage = project.stage
    known = {job.job_id for job in stage.client.list()}
    code = _strike(project, phase)
    (job_id,) = {job.job_id for job in stage.client.list()} - known
    stage.acknowledged.add(job_id)
    job = project.end_of(job_id)
    allowed = expected.of_foreground(stage.cell)
    assert str(job.reason) in allowed, f"{job.reason} ({job.error}), not {allowed}"
    assert code != 0 or job.reason == "completed", "the command said that all was well"
    stage.told.append(f"the command {_how(code)}, the {phase} {job.status} ({job.reason})")
    return job


def _strike(project: Project, phase: str) -> int:
    """Run the command into the fault; returns its exit code."""
    stage = project.stage
    stage.arm()
    command = stage.command("plan", phase, project.plan_id, at_fault=True)
    stage.strike(command)
    stage.outcome(command)
    return command.returncode


def _how(code: int) -> str:
    return f"was killed (signal {-code})" if code < 0 else f"exited {code}"


def _endings() -> dict[str, set[str]]:
    return {"far": DONE, "late": DONE}
