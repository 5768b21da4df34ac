"""Keeping what a sandbox holds: a commit of it, pinned, before anything is removed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agentsd.errors import SandboxError
from agentsd.faults import reach
from agentsd.model import JSON
from agentsd.plans import changes, refs, snapshot, submodules
from agentsd.plans.changes import ChangeSet, differences, set_entries
from agentsd.plans.git import Git, shown
from agentsd.plans.lock import repository_lock
from agentsd.plans.repository import Repository, open_repository
from agentsd.plans.roundtrip import settle
from agentsd.plans.sandbox import Sandbox
from agentsd.plans.snapshot import Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A captured sandbox.

    What no commit of the project can hold is refused: *nested* are repositories of which git would keep the name and
    lose the content, *submodules* are those that were changed, *special* are pipes, sockets and devices in the place
    of files.
    """

    commit: str
    ref: str
    changes: ChangeSet
    ignored: int
    nested: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()
    special: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[str, ...]:
        """Every path that was refused."""
        return tuple(sorted({*self.nested, *self.submodules, *self.special}))


def capture(repository: Repository, state_root: Path, box: Sandbox) -> Captured:
    """Commit and pin what is in the sandbox now. Call it under the repository's lock.

    SandboxError if it was never complete or is gone: what is missing would look like deleted.
    """
    if not box.complete:
        raise SandboxError(f"{box.root} was never complete, so there is nothing to capture.")
    if box.path.is_symlink():
        # Wherever it leads, to the project even: what is there is not what the steps made in the sandbox.
        raise SandboxError(f"{box.root} was replaced by a symbolic link, so there is nothing to capture.")
    if not box.is_there:
        raise SandboxError(f"{box.root} is gone, so there is nothing to capture.")
    reach("capture.begin")
    with snapshot.scratch(state_root) as folder:
        private = _private(repository, box, folder)
        ignored = _count_ignored(private, box)
        recorded = _record(private, box, folder)
        message = f"agentsd: result of plan {box.plan_id}, job {box.job_id}"
        commit = snapshot.commit(private, recorded.tree, [box.base], message)
        changed = tuple(submodules.changed(box, folder))
    ref = refs.job_ref(box.plan_id, box.job_id, "result")
    reach("capture.committed")
    refs.pin(repository.git, ref, commit)
    reach("capture.published")
    found = changes.between(repository.git, box.base, commit)
    return Captured(
        commit=commit,
        ref=ref,
        changes=found,
        ignored=ignored,
        nested=recorded.nested,
        submodules=changed,
        special=recorded.special,
    )


def edited_since(repository: Repository, state_root: Path, box: Sandbox, captured: str) -> list[str]:
    """The paths of a sandbox that are not as they were when the commit *captured* was made of it. GitError."""
    with snapshot.scratch(state_root) as folder:
        git = _private(repository, box, folder)
        # What was captured is known to git, even if the project has come to ignore it since.
        set_entries(git, {each.path: each.new for each in differences(git, box.base, captured) if each.new})
        tree = _record(git, box, folder).tree
        again = folder / "again"
        again.mkdir()
        _, edited = settle(git, captured, tree, again)
        return [each.path for each in edited]


def _private(repository: Repository, box: Sandbox, folder: Path) -> Git:
    """Git with the sandbox as its work tree and, in *folder*, an index that knows how it was made."""
    return snapshot.seeded(repository.git.using(work_tree=box.path), box.index, box.base, folder)


def _record(git: Git, box: Sandbox, folder: Path) -> Recorded:
    """Record the work tree without nested repositories, also those that git takes for submodules.

    git does not look at submodules: it would run itself in each, with what the steps made of its configuration.
    """
    made = snapshot.record(git, exclude=submodules.outermost(box), forget=box.included)
    tree, found = settle(git, box.base, made.tree, folder, box.index)
    strange = [each for each in found if each.is_gitlink]
    if strange:
        set_entries(git, {each.path: each.old for each in strange})
        tree = git.text("write-tree")
    nested = {*made.nested, *(each.path for each in strange)}
    return Recorded(tree, tuple(sorted(nested)), made.special)


def _count_ignored(git: Git, box: Sandbox) -> int:
    """How many ignored files or folders the steps left, which are not captured."""
    listed = git.paths("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
    return len(set(listed) - set(box.included))


def result_json(
    kind: str, steps: JSON, box: Sandbox | None = None, captured: Captured | None = None
) -> dict[str, JSON]:
    """The result of an execute job: *kind* is ``result`` or ``partial``. Without *box* it ran in the project itself."""
    found = captured.changes if captured else ChangeSet((), 0, 0)
    return {
        "kind": kind,
        "base": box.base if box else None,
        "result": captured.commit if captured else None,
        "ref": captured.ref if captured else None,
        "files": [change.to_json() for change in found.files],
        "insertions": found.insertions,
        "deletions": found.deletions,
        "empty": not found.files,
        "strategy": box.strategy if box else "none",
        "sandbox": box.root if box else None,
        "sandbox_kept": box is not None,
        "ignored": captured.ignored if captured else 0,
        "refused": [shown(path) for path in captured.refused] if captured else [],
        "steps": steps,
    }


def capture_late(state_root: Path, box: Sandbox) -> dict[str, JSON]:
    """Capture a sandbox whose job died before it could. SandboxError, GitError."""
    repository = open_repository(Path(box.project), state_root)
    with repository_lock(repository, state_root):
        captured = capture(repository, state_root, box)
    return result_json("partial", [], box, captured)
