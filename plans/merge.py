"""Merging a change set into the project, in git's object database: no file is touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentsd.errors import ApplyConflictError
from agentsd.plans import conflicts, snapshot
from agentsd.plans.changes import Difference, differences, entries, set_entries
from agentsd.plans.git import Git, shown
from agentsd.plans.repository import Repository


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge that is ready to be written: *before* is the project as it stands, *after* as it shall be.

    *clean* is the project as it would stand had no earlier apply written anything.
    """

    before: str
    clean: str
    after: str
    operations: tuple[Difference, ...]


def merge_into_project(
    repository: Repository, state_root: Path, base: str, theirs: str, written: Sequence[Difference] = ()
) -> Merge:
    """Merge the commit *theirs*, which grew from *base*, with the project as it is now. ApplyConflictError.

    The snapshot of the project gets *base* as its parent, which makes *base* the merge base whatever happened to
    the project's history since. *written* is what an earlier apply has written, or some of it.
    """
    git = repository.git
    now = snapshot.of_project(repository, state_root, parents=[base], message="agentsd: before the apply")
    ours = _without(git, now.commit, base, written, state_root) if written else now.commit
    tree = merge_trees(git, ours, theirs)
    after = snapshot.commit(git, tree, [ours, theirs], "agentsd: after the apply")
    operations = tuple(differences(git, now.tree, tree))
    if links := [difference.path for difference in operations if difference.is_gitlink]:
        raise ApplyConflictError([(conflicts.NESTED, shown(path)) for path in links])
    return Merge(now.commit, ours, after, operations)


def _without(git: Git, commit: str, base: str, written: Sequence[Difference], state_root: Path) -> str:
    """*commit* as if nothing of *written* had been written: what the user did, and nothing of ours.

    Half an apply looks like files that the user deleted. Git would take files that the other half adds for
    renamed ones of those, and the apply would be in conflict with itself.
    """
    now = entries(git, commit)
    ours = [each for each in written if now.get(each.path) == each.new]
    with snapshot.scratch(state_root) as folder:
        private = git.using(index=folder / "index")
        private.call("read-tree", commit)
        set_entries(private, {each.path: each.old for each in ours})
        tree = private.text("write-tree")
    return snapshot.commit(git, tree, [base], "agentsd: the project without what was applied")


def merge_trees(git: Git, ours: str, theirs: str) -> str:
    """The tree that the merge of two commits gives. ApplyConflictError with every conflict by kind and path."""
    done = git.call("merge-tree", "--write-tree", "-z", "--name-only", ours, theirs, ok=(0, 1))
    fields = done.stdout.split(b"\0")
    if done.returncode:
        raise ApplyConflictError(sorted(set(_conflicts(iter(fields[1:])))))
    return fields[0].decode()


def _conflicts(fields: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    """The (kind, path) pairs of what ``merge-tree -z`` says after the tree.

    First the conflicted names up to an empty field, then messages: a count, so many paths, a type, a text.
    """
    for name in fields:
        if not name:
            break
    for count in fields:
        if not count.isdigit():
            break
        paths = [next(fields) for _ in range(int(count))]
        kind = next(fields).decode("utf-8", "backslashreplace")
        next(fields)
        if kind.startswith("CONFLICT"):
            for path in paths[:1]:
                yield kind.removeprefix("CONFLICT (").rstrip(")"), path.decode("utf-8", "backslashreplace")
