"""What stays behind and how it goes: discarding a plan, surveying sandboxes, cleaning up.

The store is not known here. The caller says which plans and active jobs it has; this compares them with the
records beside the sandboxes, with ``git worktree list`` and with the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from agentsd.errors import AgentsError, ConflictError
from agentsd.model import JSON
from agentsd.plans import capture, journal, leftovers, lifecycle, refs, sandbox
from agentsd.plans.git import Git, shown
from agentsd.plans.lock import repository_lock
from agentsd.plans.repository import open_repository
from agentsd.plans.retire import captured_commit, retire
from agentsd.plans.sandbox import Sandbox

FOREIGN = frozenset({"unknown", "stray worktree"})
"""Kinds of finding that are said and never removed: nothing shows that they are ours."""
_NEEDED = frozenset({"ready", "applying"})
"""Plan states in which a sandbox is still of use to somebody."""


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What the store knows of a plan: its state, and the ids of its jobs that are queued or running."""

    state: str
    active_jobs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a survey found. *removable*: a cleanup takes it away."""

    kind: str
    path: str
    detail: str
    removable: bool = False
    plan_id: str | None = None
    job_id: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object."""
        return {
            "kind": self.kind,
            "path": shown(self.path),
            "detail": self.detail,
            "removable": self.removable,
            "plan_id": self.plan_id,
            "job_id": self.job_id,
        }


def _nobody() -> None:
    """Tell nobody."""


def discard(
    state_root: Path, plan_id: str, project: Path, *, settle: Callable[[], None] = _nobody
) -> dict[str, JSON]:
    """Throw away a plan's sandboxes, snapshots and journal; works when project or sandbox are gone.

    *settle* stores that the plan is discarded. It is called when the sandboxes are gone and the result is not:
    killed before it, the plan is as it was; killed after it, discarding it again takes away the rest.
    ConflictError while an apply is half done, SandboxError if a sandbox is in use.
    """
    if journal.unfinished(state_root, plan_id):
        raise ConflictError(f"Plan {plan_id} is half applied. Apply it again or revert it, then discard it.")
    boxes = sandbox.recorded(state_root, plan_id)
    gone: Mapping[str, str] = {}
    if project.is_dir():
        repository = open_repository(project, state_root)
        with repository_lock(repository, state_root):
            for box in boxes:
                lifecycle.remove(repository, box)
            settle()
            gone = refs.remove(repository.git, plan_id)
    else:
        for box in boxes:
            sandbox.delete(box)
        settle()
    journal.forget(state_root, plan_id)
    return {"sandboxes": [box.root for box in boxes], "refs": dict(gone)}


def survey(state_root: Path, plans: Mapping[str, PlanFacts]) -> list[Finding]:
    """Every sandbox there is or should be, judged against *plans* (by plan id); changes nothing."""
    boxes = sandbox.recorded(state_root)
    findings = [_judge(box, plans.get(box.plan_id)) for box in boxes]
    findings += [
        Finding("unknown", str(path), "a folder that no record describes; look at it and remove it by hand")
        for path in sandbox.unrecorded(state_root)
    ]
    findings += _stray_worktrees(state_root, boxes)
    findings += [
        Finding("scratch", str(path), "left by a process that was killed", removable=True)
        for path in leftovers.in_state(state_root)
    ]
    findings += [
        Finding("temporary", entry.project, _left(count), removable=True, plan_id=entry.plan_id)
        for entry, count in leftovers.in_projects(state_root)
    ]
    return findings


def _left(count: int) -> str:
    files = f"{count} temporary file{'s' * (count != 1)}"
    return f"{files} that an apply left when it was killed; the plan can still be applied or reverted"


def _judge(box: Sandbox, facts: PlanFacts | None) -> Finding:
    def finding(kind: str, detail: str, *, removable: bool) -> Finding:
        return Finding(kind, box.root, detail, removable, box.plan_id, box.job_id)

    if facts is not None and box.job_id in facts.active_jobs:
        return finding("active", "its job is queued or running", removable=False)
    if not box.is_there:
        what = (
            "a link has taken the place of its folder"
            if box.path.is_symlink()
            else "its folder was removed by hand"
        )
        return finding("missing", what, removable=True)
    if not box.complete:
        return finding("incomplete", "its job was killed while it was made", removable=True)
    if facts is None:
        return finding("forgotten", "the store knows no such plan", removable=True)
    if facts.state in _NEEDED:
        return finding("kept", f"its plan is {facts.state}", removable=False)
    return finding("leftover", f"its plan is {facts.state}", removable=True)


def _stray_worktrees(state_root: Path, boxes: Iterable[Sandbox]) -> Iterator[Finding]:
    """Worktrees that git has registered below our folder and no record describes."""
    known = {box.root for box in boxes}
    ours = f"{sandbox.folder(state_root)}/"
    for project in sorted({box.project for box in boxes}):
        listed: list[str] = []
        with suppress(AgentsError):
            listed = Git(Path(project)).paths("worktree", "list", "--porcelain", "-z")
        for line in listed:
            path = line.removeprefix("worktree ")
            if path != line and path.startswith(ours) and path not in known:
                yield Finding(
                    "stray worktree", path, f"registered in {project}, but there is no record of it"
                )


def cleanup(state_root: Path, plans: Mapping[str, PlanFacts], *, dry_run: bool = False) -> list[Finding]:
    """Remove what :func:`survey` calls removable; return it. Work that was not captured is captured first.

    What resists is returned with ``removable`` False and the reason.
    """
    removable = [finding for finding in survey(state_root, plans) if finding.removable]
    return removable if dry_run else [_clean(state_root, finding) for finding in removable]


def _clean(state_root: Path, finding: Finding) -> Finding:
    try:
        if finding.plan_id is None:
            leftovers.remove(Path(finding.path))
        elif finding.job_id is None:
            leftovers.sweep_project(state_root, finding.plan_id)
        else:
            boxes = sandbox.recorded(state_root, finding.plan_id)
            _remove_kept(state_root, next(box for box in boxes if box.job_id == finding.job_id))
    except (AgentsError, OSError) as error:
        return replace(finding, removable=False, detail=str(error))
    return finding


def _remove_kept(state_root: Path, box: Sandbox) -> None:
    """Capture a sandbox unless that was done, then remove it. Without its project only the folder goes."""
    project = Path(box.project)
    if not project.is_dir():
        sandbox.delete(box)
        return
    repository = open_repository(project, state_root)
    with repository_lock(repository, state_root):
        retire(repository, state_root, box)


def late_result(state_root: Path, plan_id: str, active_jobs: Iterable[str] = ()) -> dict[str, JSON] | None:
    """The partial result of the plan's newest execute whose job died before it could capture it.

    None if there is none. *active_jobs* are left alone.
    """
    active = set(active_jobs)
    for box in reversed(sandbox.recorded(state_root, plan_id)):
        if box.job_id in active or not box.complete or not box.is_there:
            continue
        if captured_commit(open_repository(Path(box.project), state_root), box):
            return None
        return capture.capture_late(state_root, box)
    return None
