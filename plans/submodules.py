"""Submodules in a sandbox: filled from the project's own copies, and never captured.

A commit of the project holds only the name of a submodule's commit. So what the steps change inside one cannot be
part of a change set; it is refused by name instead of being lost.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from agentsd.errors import AgentsError, GitError
from agentsd.plans import private_git, roundtrip
from agentsd.plans.changes import GITLINK
from agentsd.plans.git import Git
from agentsd.plans.repository import Repository, locate_submodule
from agentsd.plans.sandbox import Sandbox, Submodule, check_out, remove_tree


def fill(repository: Repository, box: Sandbox, *, with_git: bool) -> Iterator[Submodule]:
    """Fill the submodules that the project has filled, recursively, without the network; yield every one.

    The user's copies are only read. *with_git* gives each a private git directory. GitError, OSError.
    """
    yield from _below(repository, box, "", with_git=with_git)


def _below(outer: Repository, box: Sandbox, prefix: str, *, with_git: bool) -> Iterator[Submodule]:
    """The submodules of the repository whose content is at *prefix* of the sandbox."""
    index = box.index_of(prefix) if prefix else box.index
    for name, commit in _links(outer.git.using(index=index)):
        planned = Submodule(path=f"{prefix}{name}", commit=commit)
        inner = locate_submodule(outer.work_tree / name)
        if inner is None:
            yield planned
            continue
        filled = _fill_one(inner, box, planned, with_git=with_git)
        yield filled
        if filled.git_dir:
            yield from _below(inner, box, f"{filled.path}/", with_git=with_git)


def _links(git: Git) -> list[tuple[str, str]]:
    """The path and the commit of each submodule in the index."""
    entries = git.bytes("ls-files", "--stage", "-z").split(b"\0")
    links = [entry.partition(b"\t") for entry in entries if entry.startswith(GITLINK.encode())]
    return [(os.fsdecode(path), facts.split(b" ")[1].decode()) for facts, _, path in links]


def _fill_one(inner: Repository, box: Sandbox, planned: Submodule, *, with_git: bool) -> Submodule:
    offline = replace(inner, offline=True)
    target = box.path / planned.path
    index = box.index_of(f"{planned.path}/")
    try:
        check_out(offline, target, planned.commit, index)
    except GitError:
        remove_tree(target)
        target.mkdir()
        index.unlink(missing_ok=True)
        short = planned.commit[:12]
        return replace(planned, left_behind=f"it is empty: your copy of it lacks the commit {short}")
    if with_git:
        private_git.make(offline, target / ".git", planned.commit, index)
    dirty = inner.git.bytes("status", "--porcelain", "-z", "--ignore-submodules=all")
    left = "your uncommitted work in it is not carried along" if dirty else ""
    return replace(planned, git_dir=str(inner.git_dir), left_behind=left)


def outermost(box: Sandbox) -> list[str]:
    """The paths of the submodules that are in no other one: those that the project's own tree names."""
    paths = {submodule.path for submodule in box.submodules}
    return sorted(path for path in paths if paths.isdisjoint(map(str, PurePosixPath(path).parents)))


def changed(box: Sandbox, folder: Path) -> Iterator[str]:
    """The paths of the submodules whose content is not that of their commit any more."""
    for number, submodule in enumerate(box.submodules):
        scratch = folder / f"submodule-{number}"
        scratch.mkdir()
        if _is_changed(box, submodule, scratch):
            yield submodule.path


def _is_changed(box: Sandbox, submodule: Submodule, scratch: Path) -> bool:
    root = box.path / submodule.path
    if root.is_symlink() or not root.is_dir():
        return True
    if _is_moved(root, submodule.commit):
        return True
    if submodule.git_dir:
        return _is_edited(root, submodule, box.index_of(f"{submodule.path}/"), scratch)
    if not any(root.iterdir()):
        return False
    # A step filled it.
    return _own_git(root).maybe("status", "--porcelain", "--ignore-submodules=none") != ""


def _is_moved(root: Path, commit: str) -> bool:
    """Whether another commit is checked out. Without a git directory none is: then the content counts."""
    found = (root / ".git").exists() and _own_git(root).maybe("rev-parse", "--quiet", "--verify", "HEAD")
    return bool(found) and found != commit


def _own_git(root: Path) -> Git:
    return Git(root, root / ".git", root, offline=True)


def _is_edited(root: Path, submodule: Submodule, index: Path, scratch: Path) -> bool:
    """Whether a filled submodule has new, deleted or other files. Its own ``.git`` is not asked: it may be gone."""
    try:
        private = scratch / "index"
        shutil.copy2(index, private)
        git = Git(root, Path(submodule.git_dir), root, index=private, offline=True)
        found = set(git.paths("ls-files", "--modified", "--others", "--exclude-standard", "-z"))
        return bool(found) and found != roundtrip.untouched(git, index, dict.fromkeys(found, ""), scratch)
    except (AgentsError, OSError):
        return True
