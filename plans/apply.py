"""The phase ``apply``: bring a plan's change set into the project, wholly or not at all.

The merge happens in the object database; then a journal is written and then the files. A crash in between leaves
the journal, and the next apply goes on from what it finds: merging the project as it is then with what the first
one wanted gives exactly the writes that are still missing.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from agentsd.errors import AgentsError, ApplyConflictError, ConflictError
from agentsd.faults import reach
from agentsd.model import JSON
from agentsd.plans import (
    capture,
    changes,
    conflicts,
    journal,
    leftovers,
    originals,
    refs,
    sandbox,
    snapshot,
    standing,
    writes,
)
from agentsd.plans.changes import Difference
from agentsd.plans.execute import assignment_of
from agentsd.plans.frozen import FrozenPlan
from agentsd.plans.git import shown
from agentsd.plans.journal import Journal
from agentsd.plans.lock import repository_lock
from agentsd.plans.merge import Merge, merge_into_project
from agentsd.plans.ports import JobPort
from agentsd.plans.repository import Repository, open_repository, refuse_unready
from agentsd.plans.retire import captured_commit, retire
from agentsd.plans.standing import Signature

_TRIES = 5
_TELL_SECONDS = 0.1


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


def apply(job: JobPort) -> JSON:
    """Apply the latest result of the job's plan.

    ApplyConflictError: it does not fit, nothing was written. ConflictError: there is nothing to apply, or the project
    was edited while files were written, and the next apply goes on. From the first write to the last, cancel and
    timeout wait.
    """
    assignment = assignment_of(job)
    payload = cast("Mapping[str, JSON]", job.payload or {})
    request = ApplyRequest(
        plan_id=assignment.plan_id,
        plan=assignment.plan,
        result=assignment.latest,
        onto_current=payload.get("onto_current") is True,
        as_captured=payload.get("as_captured") is True,
    )
    repository = _open(job.state_root, request)
    job.progress({"doing": "merging"})
    with repository_lock(repository, job.state_root, token=job.token):
        leftovers.tidy(repository, job.state_root, request.plan_id, job.job.job_id)
        with _prepared(repository, job.state_root, request) as prepared:
            job.token.raise_if_set()
            prepared.writer.on_progress = _progress(job)
            with job.shield():
                _write(repository, job.state_root, prepared)
        if job.options.get("sandbox_cleanup", "on_apply") != "manual":
            _remove_sandboxes(repository, job.state_root, request.plan_id)
    operations = prepared.entry.operations
    print(
        f"{len(prepared.writer.operations)} files written"
        if operations
        else "nothing to apply: the change set is empty"
    )
    if prepared.unkept:
        names = ", ".join(map(shown, prepared.unkept))
        print(f"git keeps less than stood there (a filter, line ends), a revert brings it back: {names}")
    return _report(prepared, operations)


def check(state_root: Path, request: ApplyRequest) -> dict[str, JSON]:
    """What an apply would do now; writes no file. ApplyConflictError, ConflictError, SandboxError."""
    repository = _open(state_root, request)
    with (
        repository_lock(repository, state_root),
        _prepared(repository, state_root, request) as prepared,
    ):
        return _report(prepared, prepared.writer.operations) | {"kind": "check"}


def _open(state_root: Path, request: ApplyRequest) -> Repository:
    if request.plan.sandbox == "none":
        raise ConflictError("The plan ran in the project itself (sandbox: none): there is nothing to apply.")
    return open_repository(Path(request.plan.project), state_root)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An apply up to its first write. *unkept* are the files of which git keeps less than stands there."""

    entry: Journal
    writer: writes.Writer
    unkept: tuple[str, ...]
    resumed: bool


@contextmanager
def _prepared(repository: Repository, state_root: Path, request: ApplyRequest) -> Generator[Prepared]:
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
        staged = writes.stage(repository.git, merge.after, merge.operations, folder)
        entry = _entry(repository, request, merge, staged)
        if begun:
            entry = _continued(repository, begun, merge, entry)
        kept = originals.commit(repository.git, entry.originals or {}, begun.kept if begun else None, folder)
        unkept = originals.unkept(
            repository.git, merge.before, merge.operations, entry.originals or {}, folder
        )
        writer = writes.Writer(repository.work_tree, staged, merge.operations, seen)
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
    return replace(
        now,
        result=begun.result,
        before=merge.clean,
        operations=tuple(operations.values()),
        folders=tuple({*begun.folders, *now.folders}),
        doomed={**now.doomed, **begun.doomed},
        originals=None if begun.originals is None else kept,
        written={**begun.written, **now.written},
    )


def _write(repository: Repository, state_root: Path, prepared: Prepared) -> None:
    entry, writer, git = prepared.entry, prepared.writer, repository.git
    pinned = {"before": entry.before, "after": entry.after, "originals": entry.kept}
    for what, commit in pinned.items():
        if commit:
            refs.pin(git, refs.apply_ref(entry.plan_id, what), commit)
    reach("apply.prepared")
    entry.begin(state_root)
    reach("apply.begun")
    try:
        writer.write()
    except AgentsError:
        if not writer.written and not prepared.resumed:
            entry.withdraw(state_root)
        raise
    reach("apply.written")
    entry.finish(state_root)
    reach("apply.finished")


def _progress(job: JobPort) -> writes.OnProgress:
    """Tell how far the writing is, but not more often than a person can read it."""
    said = 0.0

    def tell(doing: str, done: int, total: int) -> None:
        nonlocal said
        if done == total or time.monotonic() - said >= _TELL_SECONDS:
            said = time.monotonic()
            job.progress({"doing": doing, "done": done, "total": total, "what": "files"})

    return tell


def _remove_sandboxes(repository: Repository, state_root: Path, plan_id: str) -> None:
    """Remove what the plan has no use for any more. What resists stays and is said; the apply has succeeded."""
    for box in sandbox.recorded(state_root, plan_id):
        try:
            retire(repository, state_root, box)
        except AgentsError as error:
            print(str(error), flush=True)


def _report(prepared: Prepared, operations: Sequence[Difference]) -> dict[str, JSON]:
    return {
        "kind": "applied",
        "before": prepared.entry.before,
        "after": prepared.entry.after,
        "files": [{"path": shown(each.path), "status": _word(each)} for each in operations],
        "empty": not operations,
        "resumed": prepared.resumed,
        "unkept": [shown(path) for path in prepared.unkept],
    }


def _word(operation: Difference) -> str:
    if operation.old is None:
        return "added"
    return "deleted" if operation.new is None else "modified"
