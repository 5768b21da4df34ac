"""Keeping what a sandbox holds: a commit of it, pinned, before anything is removed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentsd.errors import SandboxError
from agentsd.faults import reach
from agentsd.model import JSON
from agentsd.plans import changes, refs, snapshot, submodules
from agentsd.plans.changes import ChangeSet, Difference
from agentsd.plans.git import Git, nul_separated, shown
from agentsd.plans.lock import repository_lock
from agentsd.plans.repository import Repository, open_repository
from agentsd.plans.roundtrip import settle
from agentsd.plans.sandbox import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A captured sandbox.

    What no commit of the project can hold is refused: *nested* are repositories of which git would keep the name and
    lose the content, *submodules* are those that were changed.
    """

    commit: str
    ref: str
    changes: ChangeSet
    ignored: int
    nested: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[str, ...]:
        """Every path that was refused."""
        return tuple(sorted({*self.nested, *self.submodules}))


def capture(repository: Repository, state_root: Path, box: Sandbox) -> Captured:
    """Commit and pin what is in the sandbox now. Call it under the repository's lock.

    SandboxError if it was never complete or is gone: what is missing would look like deleted.
    """
    if not box.complete:
        raise SandboxError(f"{box.root} was never complete, so there is nothing to capture.")
    if not box.path.is_dir():
        raise SandboxError(f"{box.root} is gone, so there is nothing to capture.")
    git = repository.git.using(work_tree=box.path)
    reach("capture.begin")
    with snapshot.scratch(state_root) as folder:
        private = snapshot.seeded(git, box.index, box.base, folder)
        ignored = _count_ignored(private, box)
        commit, nested = _commit(private, box, folder)
        changed = tuple(submodules.changed(box, folder))
    ref = refs.job_ref(box.plan_id, box.job_id, "result")
    reach("capture.committed")
    refs.pin(repository.git, ref, commit)
    reach("capture.published")
    found = changes.between(repository.git, box.base, commit)
    return Captured(commit=commit, ref=ref, changes=found, ignored=ignored, nested=nested, submodules=changed)


def _commit(git: Git, box: Sandbox, folder: Path) -> tuple[str, tuple[str, ...]]:
    """Commit the work tree without nested repositories; also the paths of those that were left out.

    git does not look at submodules: it would run itself in each, with what the steps made of its configuration.
    """
    tree, nested = snapshot.record(git, exclude=submodules.outermost(box), forget=box.included)
    tree, found = settle(git, box.base, tree, folder, box.index)
    strange = [each for each in found if each.is_gitlink]
    if strange:
        _restore(git, strange)
        tree = git.text("write-tree")
    message = f"agentsd: result of plan {box.plan_id}, job {box.job_id}"
    refused = {*nested, *(each.path for each in strange)}
    return snapshot.commit(git, tree, [box.base], message), tuple(sorted(refused))


def _restore(git: Git, links: Sequence[Difference]) -> None:
    """Put the base's entries back into the index of *git*."""
    added = nul_separated(link.path for link in links if link.old is None)
    git.call("update-index", "--force-remove", "-z", "--stdin", stdin=added)
    lines = [
        f"{link.old.mode} {link.old.oid}\t".encode() + os.fsencode(link.path) + b"\0"
        for link in links
        if link.old
    ]
    git.call("update-index", "-z", "--index-info", stdin=b"".join(lines))


def _count_ignored(git: Git, box: Sandbox) -> int:
    """How many ignored files or folders the steps left, which are not captured."""
    listed = git.paths("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
    return len(set(listed) - set(box.included))


def result_json(box: Sandbox, captured: Captured | None, *, kind: str, steps: JSON) -> dict[str, JSON]:
    """The result of an execute job: *kind* is ``result`` or ``partial``."""
    found = captured.changes if captured else ChangeSet((), 0, 0)
    return {
        "kind": kind,
        "base": box.base,
        "result": captured.commit if captured else None,
        "ref": captured.ref if captured else None,
        "files": [change.to_json() for change in found.files],
        "insertions": found.insertions,
        "deletions": found.deletions,
        "empty": not found.files,
        "strategy": box.strategy,
        "sandbox": box.root,
        "sandbox_kept": True,
        "ignored": captured.ignored if captured else 0,
        "refused": [shown(path) for path in captured.refused] if captured else [],
        "steps": steps,
    }


def capture_late(state_root: Path, box: Sandbox) -> dict[str, JSON]:
    """Capture a sandbox whose job died before it could. SandboxError, GitError."""
    repository = open_repository(Path(box.project), state_root)
    with repository_lock(repository, state_root):
        captured = capture(repository, state_root, box)
    return result_json(box, captured, kind="partial", steps=[])
