"""Undoing an apply: what stood before comes back, where nothing was changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from agentsd.errors import ApplyConflictError, ConflictError
from agentsd.faults import reach
from agentsd.model import JSON
from agentsd.plans import changes, conflicts, journal, originals, snapshot, standing, writes
from agentsd.plans.changes import Difference, Entry
from agentsd.plans.git import shown
from agentsd.plans.journal import Journal
from agentsd.plans.lock import repository_lock
from agentsd.plans.originals import Original
from agentsd.plans.repository import Repository, open_repository
from agentsd.plans.standing import Permissions, Signature


def _nobody() -> None:
    """Tell nobody."""


def revert(
    state_root: Path,
    plan_id: str,
    *,
    settle: Callable[[], None] = _nobody,
    shield: Callable[[], AbstractContextManager[None]] = nullcontext,
    on_progress: writes.OnProgress = writes.silent,
) -> dict[str, JSON]:
    """Undo the apply of a plan, finished or cut short; running it again after a crash goes on.

    *shield* is held from the first write on: whoever asks to end then is to wait. *settle* stores that the plan is
    not applied any more. It is called under the repository's lock, after the last file and before the journal is
    forgotten: killed at any instant, running it again ends the same.
    ConflictError if the plan was never applied, ApplyConflictError (and nothing written) if a file was changed since,
    ProjectWriteError if the disk refuses.
    """
    if journal.is_put_back(state_root, plan_id):
        return _settle(state_root, plan_id, settle, [])
    entry = _entry(state_root, plan_id)
    repository = open_repository(Path(entry.project), state_root)
    with repository_lock(repository, state_root), snapshot.scratch(state_root) as folder:
        entry = _entry(state_root, plan_id)  # somebody else may have been quicker
        writes.sweep(repository.work_tree, entry.operations)
        back = _operations(repository, state_root, entry)
        seen = {each.path: standing.signature(repository.work_tree, each.path) for each in back}
        if problems := standing.obstacles(repository.work_tree, back):
            raise ApplyConflictError(problems)
        writer = _writer(repository, entry, back, seen, folder)
        writer.on_progress = on_progress
        with shield():
            reach("revert.begun")
            writer.write()
            writes.remove_empty(repository.work_tree, entry.folders)
            writes.finish_folders(repository.work_tree, entry.doomed)
            journal.put_back(state_root, plan_id)
            reach("revert.written")
            return _settle(state_root, plan_id, settle, [shown(each.path) for each in back])


def _entry(state_root: Path, plan_id: str) -> Journal:
    entry = journal.latest(state_root, plan_id)
    if entry is None:
        raise ConflictError(f"Plan {plan_id} is not applied, so there is nothing to revert.")
    return entry


def _settle(state_root: Path, plan_id: str, settle: Callable[[], None], files: list[str]) -> dict[str, JSON]:
    settle()
    reach("revert.settled")
    journal.forget(state_root, plan_id)
    return {"kind": "reverted", "files": [{"path": path} for path in files], "empty": not files}


def _writer(
    repository: Repository,
    entry: Journal,
    back: tuple[Difference, ...],
    seen: Mapping[str, Signature],
    folder: Path,
) -> writes.Writer:
    """Whatever puts *back* what stood before, from its own bytes where they were kept and else as git would write it."""
    git, root = repository.git, repository.work_tree
    known = entry.originals or {}
    raw = {each.path: known[each.path] for each in back if each.path in known and known[each.path].blob}
    staged = writes.stage(git, entry.before, [each for each in back if each.path not in raw], folder)
    originals.put(git, raw, staged, folder)
    permissions = {**entry.doomed, **dict(_permissions(root, back, raw))}
    return writes.Writer(root, staged, back, seen, frozenset(entry.folders), permissions)


def _permissions(
    root: Path, back: Sequence[Difference], raw: Mapping[str, Original]
) -> Iterator[tuple[str, Permissions]]:
    """What each file had, unless somebody has given it other permissions than the apply left it."""
    for each in back:
        if each.new is None or each.path not in raw:
            continue
        before = raw[each.path].permissions
        now = None if (root / each.path).is_symlink() else standing.permissions(root, each.path)
        if now is None or now.mode == standing.mode_after(before.mode, each.new, each.old or each.new):
            yield each.path, before


def _operations(repository: Repository, state_root: Path, entry: Journal) -> tuple[Difference, ...]:
    """What has still to be put back. ApplyConflictError names every file that is neither old nor new."""
    parents = [entry.after]
    now = snapshot.of_project(repository, state_root, parents=parents, message="agentsd: before the revert")
    listed = changes.entries(repository.git, now.commit)
    current = {each.path: _current(repository, each, listed.get(each.path)) for each in entry.operations}
    new = [each for each in entry.operations if current[each.path] == each.new]
    edited = _edited_unseen(repository, entry, new)
    changed = edited | {
        each.path
        for each in entry.operations
        if current[each.path] not in (each.old, each.new)
        or standing.is_special(repository.work_tree / each.path)
    }
    if changed:
        raise ApplyConflictError([(conflicts.CHANGED_SINCE, shown(path)) for path in sorted(changed)])
    return tuple(Difference(each.path, each.new, _what_stood(entry, each)) for each in new)


def _edited_unseen(repository: Repository, entry: Journal, new: Sequence[Difference]) -> set[str]:
    """The paths where other bytes stand than were written, of which git sees nothing: its filter drops them."""
    root = repository.work_tree
    paths = [each.path for each in new if each.path in entry.written and (root / each.path).is_file()]
    now = originals.blobs_of(repository.git, root, paths)
    return {path for path in paths if now[path] != entry.written[path]}


def _what_stood(entry: Journal, operation: Difference) -> Entry | None:
    """What git had at a path, unless there was nothing on the disk, as outside of a sparse checkout."""
    there = entry.originals is None or operation.path in entry.originals
    return operation.old if there else None


def _current(repository: Repository, operation: Difference, listed: Entry | None) -> Entry | None:
    """What stands at the path; a file that git ignores is not in a snapshot, so it is looked at."""
    if (
        listed is None
        and operation.new
        and standing.stands_already(repository.git, operation.path, operation.new)
    ):
        return operation.new
    return listed
