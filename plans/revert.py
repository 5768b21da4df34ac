"""Undoing an apply: what stood before comes back, where nothing was changed since."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from agentsd.errors import ApplyConflictError, ConflictError
from agentsd.model import JSON
from agentsd.plans import changes, journal, snapshot, standing, writes
from agentsd.plans.changes import Difference, Entry
from agentsd.plans.git import shown
from agentsd.plans.journal import Journal
from agentsd.plans.lock import repository_lock
from agentsd.plans.repository import Repository, open_repository


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
        staged = writes.stage(repository.git, entry.before, back, folder)
        empties = frozenset(entry.folders)
        with shield():
            writes.Writer(repository.work_tree, staged, back, seen, empties, on_progress).write()
            writes.remove_empty(repository.work_tree, entry.folders)
            journal.put_back(state_root, plan_id)
            return _settle(state_root, plan_id, settle, [shown(each.path) for each in back])


def _entry(state_root: Path, plan_id: str) -> Journal:
    entry = journal.latest(state_root, plan_id)
    if entry is None:
        raise ConflictError(f"Plan {plan_id} is not applied, so there is nothing to revert.")
    return entry


def _settle(state_root: Path, plan_id: str, settle: Callable[[], None], files: list[str]) -> dict[str, JSON]:
    settle()
    journal.forget(state_root, plan_id)
    return {"kind": "reverted", "files": [{"path": path} for path in files], "empty": not files}


def _operations(repository: Repository, state_root: Path, entry: Journal) -> tuple[Difference, ...]:
    """What has still to be put back. ApplyConflictError names every file that is neither old nor new."""
    now = snapshot.of_project(
        repository, state_root, parents=[entry.after], message="agentsd: before the revert"
    )
    standing = changes.entries(repository.git, now.commit)
    back: list[Difference] = []
    changed: list[tuple[str, str]] = []
    for each in entry.operations:
        current = _current(repository, each, standing.get(each.path))
        if current == each.new:
            back.append(Difference(each.path, each.new, each.old))
        elif current != each.old:
            changed.append(("changed since the apply", shown(each.path)))
    if changed:
        raise ApplyConflictError(changed)
    return tuple(back)


def _current(repository: Repository, operation: Difference, listed: Entry | None) -> Entry | None:
    """What stands at the path; a file that git ignores is not in a snapshot, so it is looked at."""
    if (
        listed is None
        and operation.new
        and standing.stands_already(repository.git, operation.path, operation.new)
    ):
        return operation.new
    return listed
