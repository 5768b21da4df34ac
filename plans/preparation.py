"""An apply up to its first write: what is refused, the merge, the new content, and the journal.

Nothing in the project is changed here. So a dry run is this and no more.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agentsd.errors import ApplyConflictError, ConflictError
from agentsd.model import JSON
from agentsd.plans import capture, changes, conflicts, journal, originals, sandbox, snapshot, standing, writes
from agentsd.plans.changes import Difference
from agentsd.plans.frozen import FrozenPlan
from agentsd.plans.git import shown
from agentsd.plans.journal import Journal
from agentsd.plans.merge import Merge, merge_into_project
from agentsd.plans.repository import Repository, refuse_unready
from agentsd.plans.retire import captured_commit
from agentsd.plans.standing import Signature

_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """What shall be applied: the change set of *result*, the JSON result of an execute job."""

    plan_id: str
    plan: FrozenPlan
    result: Mapping[str, JSON] | None
    onto_current: bool = False
    """Apply although another branch is checked out than when the plan was made."""
    as_captured: bool = False
    """Apply although the sandbox was edited since; those edits stay in it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An apply up to its first write. *unkept* are the files of which git keeps less than stands there."""

    entry: Journal
    writer: writes.Writer
    unkept: tuple[str, ...]
    resumed: bool


@contextmanager
def prepared(repository: Repository, state_root: Path, request: ApplyRequest) -> Generator[Prepared]:
    """Everything up to the first write."""
    refuse_unready(repository)
    _refuse_branch(repository, request)
    unfinished = journal.unfinished(state_root, request.plan_id) is not None
    if not unfinished:
        _refuse_edited(repository, state_root, request)
    begun = journal.of_result(state_root, request.plan_id, (request.result or {}).get("result"))
    if begun:
        writes.sweep(repository.work_tree, begun.operations)
    with snapshot.scratch(state_root) as folder:
        merge, seen = _settled_merge(repository, state_root, request, begun)
        if problems := standing.obstacles(repository.work_tree, merge.operations):
            raise ApplyConflictError(problems)
        git = repository.git
        staged = writes.stage(git, merge.after, merge.operations, folder)
        entry = _entry(repository, request, merge, staged)
        there = entry.originals or {}
        kept = originals.commit(git, there, begun.kept if begun else None, folder)
        unkept = originals.unkept(git, merge.before, merge.operations, there, folder)
        writer = writes.Writer(repository.work_tree, staged, merge.operations, seen)
        if begun:
            entry = _continued(repository, begun, merge, entry)
        writer.permissions = originals.moved(entry.operations, entry.originals or {})
        yield Prepared(replace(entry, kept=kept), writer, tuple(unkept), resumed=unfinished)


def _refuse_branch(repository: Repository, request: ApplyRequest) -> None:
    branch = repository.branch()
    if branch != request.plan.branch and not request.onto_current:
        made, now = (name or "a detached HEAD" for name in (request.plan.branch, branch))
        raise ApplyConflictError([(conflicts.BRANCH, f"the plan was made on {made}, checked out is {now}")])


def _refuse_edited(repository: Repository, state_root: Path, request: ApplyRequest) -> None:
    """Refuse a result whose sandbox was edited since it was captured.

    Whoever corrects something in there by hand and then applies expects to get it. What is applied is what `diff`
    shows, and afterwards the sandbox goes: a warning in a log of a background job would come too late.
    """
    if request.as_captured or request.result is None:
        return
    for box in sandbox.recorded(state_root, request.plan_id):
        commit = captured_commit(repository, box) if box.complete and box.is_there else None
        if commit is None or commit != request.result.get("result"):
            continue
        if edited := capture.edited_since(repository, state_root, box, commit):
            raise ApplyConflictError([(conflicts.EDITED, shown(path)) for path in edited])


def _settled_merge(
    repository: Repository, state_root: Path, request: ApplyRequest, begun: Journal | None
) -> tuple[Merge, dict[str, Signature]]:
    """A merge with a project that did not change while it was made, and the files' signatures."""
    for _ in range(_TRIES):
        merge = _merge(repository, state_root, request, begun)
        seen = {each.path: standing.signature(repository.work_tree, each.path) for each in merge.operations}
        again = snapshot.of_project(repository, state_root, parents=[], message="agentsd: check")
        if repository.git.text("rev-parse", f"{merge.before}^{{tree}}") == again.tree:
            return merge, seen
    raise ConflictError(f"{repository.work_tree} keeps changing. Apply when it has come to rest.")


def _merge(repository: Repository, state_root: Path, request: ApplyRequest, begun: Journal | None) -> Merge:
    git = repository.git
    if begun:
        merge = merge_into_project(repository, state_root, begun.before, begun.after, begun.operations)
    else:
        base, result = _commits(request)
        if strays := changes.outside(git, base, result, request.plan.paths):
            raise ApplyConflictError(changes.conflicts_outside(strays))
        merge = merge_into_project(repository, state_root, base, result)
    missing = [
        each
        for each in merge.operations
        if not (each.old is None and each.new and standing.stands_already(git, each.path, each.new))
    ]
    return replace(merge, operations=tuple(missing))


def _commits(request: ApplyRequest) -> tuple[str, str]:
    if request.result is None or request.result.get("result") is None:
        raise ConflictError(f"Plan {request.plan_id} has no result to apply. Execute it first.")
    return request.result["base"], request.result["result"]


def _entry(repository: Repository, request: ApplyRequest, merge: Merge, staged: Path) -> Journal:
    """The journal of an apply that begins now."""
    root, git = repository.work_tree, repository.git
    new = [each.path for each in merge.operations if each.new and not (staged / each.path).is_symlink()]
    return Journal(
        plan_id=request.plan_id,
        project=str(root),
        result=_commits(request)[1],
        before=merge.before,
        after=merge.after,
        operations=merge.operations,
        folders=standing.missing_folders(root, merge.operations),
        doomed=standing.doomed_folders(root, merge.operations),
        originals=originals.keep(git, merge.operations),
        written=originals.blobs_of(git, staged, new),
    )


def _continued(repository: Repository, begun: Journal, merge: Merge, now: Journal) -> Journal:
    """The journal of a resumed apply: what a revert has to restore is what stood before the *first* one.

    Where the user edited a file in between, the edited file is what stood before. So *before* becomes the project
    without anything applied, not as it stands: half applied, it would lack what the next apply, should this one be
    killed too, takes for the merge base, and git could collect what a revert needs.
    """
    standing_now = changes.entries(repository.git, merge.before)
    operations = {each.path: each for each in begun.operations}
    kept, fresh = dict(begun.originals or {}), dict(now.originals or {})
    for each in merge.operations:
        first, original = operations.get(each.path), fresh.get(each.path)
        is_ours = (
            first is not None
            and standing_now.get(each.path) == first.new
            and (original is None or original.blob == begun.written.get(each.path, original.blob))
        )
        operations[each.path] = Difference(each.path, first.old if first and is_ours else each.old, each.new)
        if not is_ours:
            kept.pop(each.path, None)
            kept |= {each.path: original} if original else {}
    # What was written and is to go again stands as it did before the first apply: nothing for a revert to do.
    changed = tuple(each for each in operations.values() if each.old != each.new)
    return replace(
        now,
        result=begun.result,
        before=merge.clean,
        operations=changed,
        folders=tuple({*begun.folders, *now.folders}),
        doomed={**now.doomed, **begun.doomed},
        originals=None if begun.originals is None else kept,
        written={**begun.written, **now.written},
    )
