"""A commit of a work tree as it is, made without touching its index, HEAD, stash or branches."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agentsd.errors import GitError
from agentsd.plans import claims
from agentsd.plans.durable import TEMPORARY_PATTERN
from agentsd.plans.git import Git, nul_separated
from agentsd.plans.repository import Repository
from agentsd.plans.roundtrip import settle
from agentsd.plans.standing import is_special


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A commit and its tree."""

    commit: str
    tree: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A tree of a work tree, and what of the work tree cannot be in it.

    *nested* are repositories inside it, *special* are pipes, sockets and devices where files were; in the tree they
    are still the files.
    """

    tree: str
    nested: tuple[str, ...] = ()
    special: tuple[str, ...] = ()


@contextmanager
def scratch(state_root: Path) -> Generator[Path]:
    """A private folder that is gone afterwards."""
    parent = state_root / "scratch"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with claims.claimed(parent, lambda: Path(tempfile.mkdtemp(dir=parent))) as folder:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def of_project(repository: Repository, state_root: Path, *, parents: Sequence[str], message: str) -> Snapshot:
    """Snapshot the project: committed, uncommitted and untracked work, all but what git ignores."""
    outside = _inside(repository.work_tree, state_root)
    with scratch(state_root) as folder:
        git = seeded(repository.git, repository.index, "HEAD", folder)
        tree = record(git, exclude=outside).tree
        if not repository.private:
            tree, _ = settle(git, "HEAD", tree, folder)
        made = Snapshot(commit(git, tree, parents, message), tree)
        if repository.private and git.index:
            # Nobody else writes this index: kept, it saves reading every file again the next time.
            shutil.copy2(git.index, repository.index)
    return made


def seeded(git: Git, seed: Path, otherwise: str, folder: Path) -> Git:
    """*git* with a private index in *folder*: a copy of *seed*, or *otherwise* (a commit) if that is no use.

    The copy keeps the time of *seed*. With a newer one git would trust the size of files that were edited
    within the same tick as the index was written, and miss the edit.
    """
    private = git.using(index=folder / "index")
    with suppress(OSError):
        shutil.copy2(seed, folder / "index")
    listed = private.call("ls-files", "-v", "-z", ok=range(256))
    if listed.returncode:
        (folder / "index").unlink(missing_ok=True)
    else:
        _look_again(private, listed.stdout)
    if not (folder / "index").exists() and private.maybe("rev-parse", "--quiet", "--verify", otherwise):
        private.call("read-tree", otherwise)
    return private


def _look_again(git: Git, listed: bytes) -> None:
    """Take the marks away that keep git from looking at files that are there; *listed* is ``ls-files -v -z``.

    Many people keep local settings behind such a mark. An apply that took the committed file for what is there would
    overwrite them.
    """
    lines = [os.fsdecode(line) for line in listed.split(b"\0") if line]
    unchanged = [line[2:] for line in lines if line[0].islower()]
    skipped = [line[2:] for line in lines if line[0] in "Ss"]
    for mark, names in (("assume-unchanged", unchanged), ("skip-worktree", skipped)):
        there = [name for name in names if os.path.lexists(git.cwd / name)]
        if there:
            git.call("update-index", f"--no-{mark}", "-z", "--stdin", stdin=nul_separated(there))


def record(git: Git, *, exclude: Iterable[str] = (), forget: Iterable[str] = ()) -> Recorded:
    """Record the whole work tree of *git* in its (private) index.

    *exclude* are folders not to look at; *forget* are files to leave out.
    """
    nested = tuple(path.rstrip("/") for path in _untracked(git) if path.endswith("/"))
    # To name what git ignores is an error for `git add`, even to leave it out.
    known = [
        path for path in exclude if git.call("check-ignore", "--quiet", "--", path, ok=(0, 1)).returncode
    ]
    special = _add_all(git, [*nested, *known])
    if left_out := nul_separated(forget):
        git.call("update-index", "--force-remove", "-z", "--stdin", stdin=left_out)
    return Recorded(git.text("write-tree"), nested, special)


def _add_all(git: Git, exclude: Sequence[str]) -> tuple[str, ...]:
    """Add everything but *exclude*, and but for what git refuses to take in a file's place; return that. GitError."""
    hidden = [f":(exclude,top,literal){path}" for path in exclude]
    # `--sparse`: a new file outside of a sparse checkout is as new as any other.
    words = ("add", "--all", "--sparse", "--", ":/", f":(exclude,top,glob)**/{TEMPORARY_PATTERN}", *hidden)
    try:
        git.call(*words)
    except GitError:
        special = tuple(path for path in git.paths("ls-files", "-z") if is_special(git.cwd / path))
        if not special:
            raise
        git.call(*words, *(f":(exclude,top,literal){path}" for path in special))
        return special
    return ()


def commit(git: Git, tree: str, parents: Sequence[str], message: str) -> str:
    """Make a commit of *tree* and return its oid."""
    flags = [part for parent in parents for part in ("-p", parent)]
    return git.text("commit-tree", tree, *flags, "-m", message)


def _untracked(git: Git) -> list[str]:
    """Untracked paths; a nested repository stands there as one path that ends with a slash."""
    return git.paths("ls-files", "--others", "--exclude-standard", "-z")


def _inside(work_tree: Path, folder: Path) -> tuple[str, ...]:
    """*folder* relative to *work_tree*, if it is in there: our own state is no part of the project."""
    try:
        return (str(folder.resolve().relative_to(work_tree.resolve())),)
    except ValueError:
        return ()
