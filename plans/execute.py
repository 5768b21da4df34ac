"""The phase ``execute``: make a sandbox, run the steps in it, capture what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agentsd.errors import AgentsError, BadPayloadError, JobCancelled, SandboxError, StepFailedError
from agentsd.model import JSON
from agentsd.plans import leftovers, lifecycle
from agentsd.plans.capture import Captured, capture, result_json
from agentsd.plans.frozen import FrozenPlan
from agentsd.plans.git import shown
from agentsd.plans.lock import repository_lock
from agentsd.plans.ports import JobPort
from agentsd.plans.repository import Repository, open_repository
from agentsd.plans.sandbox import Sandbox, SandboxRequest
from agentsd.plans.steps import StepRunner


@dataclass(frozen=True, slots=True)
class Assignment:
    """The plan that a job works on."""

    plan_id: str
    plan: FrozenPlan
    latest: Mapping[str, JSON] | None
    """The result of the latest execute that succeeded."""


def assignment_of(job: JobPort) -> Assignment:
    """The plan of *job*. BadPayloadError if it has none that can be read."""
    if job.plan is None:
        raise BadPayloadError("This phase works on a plan, and the job names none.")
    latest: Mapping[str, JSON] | None = job.plan.get("latest")
    return Assignment(
        plan_id=job.plan["plan_id"],
        plan=FrozenPlan.from_json(job.plan["frozen"]),
        latest=latest["result"] if latest else None,
    )


def execute(job: JobPort) -> JSON:
    """Run the job's plan and return its change set.

    StepFailedError if a step failed, JobCancelled if the job was cancelled or timed out; both carry the partial
    change set. SandboxError or GitError if there is no sandbox or it cannot be captured.
    """
    assignment = assignment_of(job)
    if assignment.plan.sandbox == "none":
        return _in_place(job, assignment)
    repository = open_repository(Path(assignment.plan.project), job.state_root)
    box = _make_sandbox(job, assignment, repository)
    runner = StepRunner(job, assignment.plan, box.path, assignment.plan_id)
    try:
        runner.run()
    except (JobCancelled, StepFailedError) as error:
        error.result = _keep_partial(job, repository, box, runner)
        raise
    return _keep_result(job, repository, box, runner)


def _in_place(job: JobPort, assignment: Assignment) -> JSON:
    """Run in the project itself: there is nothing to capture and nothing to apply."""
    project = Path(assignment.plan.project)
    if not project.is_dir():
        raise SandboxError(f"The project {project} is not there any more.")
    runner = StepRunner(job, assignment.plan, project, assignment.plan_id)
    try:
        runner.run()
    except (JobCancelled, StepFailedError) as error:
        error.result = result_json("partial", runner.states)
        raise
    return result_json("result", runner.states)


def _make_sandbox(job: JobPort, assignment: Assignment, repository: Repository) -> Sandbox:
    request = SandboxRequest(
        plan_id=assignment.plan_id,
        job_id=job.job.job_id,
        strategy=assignment.plan.sandbox,
        include=assignment.plan.include,
        base=job.options.get("sandbox_base", "worktree"),
    )
    with repository_lock(repository, job.state_root, token=job.token):
        leftovers.tidy(repository, job.state_root, request.plan_id, request.job_id)
        box = lifecycle.create(repository, job.state_root, request)
    print(f"sandbox: {box.root} ({box.strategy})", flush=True)
    for submodule in box.submodules:
        if submodule.left_behind:
            print(f"submodule {shown(submodule.path)}: {submodule.left_behind}", flush=True)
    return box


def _keep_result(job: JobPort, repository: Repository, box: Sandbox, runner: StepRunner) -> JSON:
    """Capture a plan that succeeded. What cannot be captured fails the job, by name."""
    captured, kept = _capture(job, repository, box)
    kind = "partial" if captured.refused else "result"
    result = result_json(kind, runner.states, box, captured) | {"sandbox_kept": kept}
    if captured.refused:
        error = SandboxError(" ".join(_refusals(captured)))
        error.result = result
        raise error
    return result


def _refusals(captured: Captured) -> Iterator[str]:
    """Why the change set is not whole, and what to do about it."""
    nested, submodules, special = (
        ", ".join(map(shown, paths)) for paths in (captured.nested, captured.submodules, captured.special)
    )
    if nested:
        yield (
            f"The plan left nested git repositories, whose content cannot be captured: {nested}. "
            "Let a step delete their .git, or let the project ignore them."
        )
    if submodules:
        yield (
            f"The plan changed submodules, whose content cannot be captured: {submodules}. "
            "Let a step undo that, or make the change with a plan in the submodule's own repository."
        )
    if special:
        yield (
            f"The plan put pipes, sockets or devices in the place of files, which cannot be captured: {special}. "
            "Let a step remove them."
        )


def _keep_partial(job: JobPort, repository: Repository, box: Sandbox, runner: StepRunner) -> JSON:
    """Capture a plan that did not succeed; if even that fails, the sandbox stays and the first error counts."""
    try:
        captured, kept = _capture(job, repository, box)
    except (AgentsError, OSError) as error:
        print(f"the partial change set could not be captured: {error}", flush=True)
        return result_json("partial", runner.states, box) | {"capture_error": str(error)}
    return result_json("partial", runner.states, box, captured) | {"sandbox_kept": kept}


def _capture(job: JobPort, repository: Repository, box: Sandbox) -> tuple[Captured, bool]:
    """Capture the sandbox, and remove it if the settings say so; also whether it was kept."""
    with repository_lock(repository, job.state_root):
        captured = capture(repository, job.state_root, box)
        return captured, captured.refused != () or not _removed(job, repository, box)


def _removed(job: JobPort, repository: Repository, box: Sandbox) -> bool:
    if job.options.get("sandbox_cleanup", "on_apply") != "on_terminal":
        return False
    try:
        lifecycle.remove(repository, box)
    except SandboxError as error:
        print(str(error), flush=True)
        return False
    return True
