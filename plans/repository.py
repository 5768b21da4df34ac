"""The repository of a project, found afresh whenever it is needed.

A project that is in no git repository gets a private one in the state directory: an object database for its
snapshots. So change sets, diffs and applies work the same way for both.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from agentsd.errors import GitError, SandboxError, UnreadyProjectError
from agentsd.plans.git import Git, require_version

_UNFINISHED = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
}
_PLACES = ("--show-toplevel", "--absolute-git-dir", "--git-common-dir")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a project is: its root, and the branch and commit checked out there, if any."""

    root: Path
    in_git: bool
    branch: str | None = None
    head: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The git repository behind a project. *work_tree* is the project's root."""

    work_tree: Path
    git_dir: Path
    common_dir: Path
    private: bool
    offline: bool = False
    """Whether git may fetch nothing while it works here."""

    @property
    def ident(self) -> str:
        """A short name that all worktrees of this repository share."""
        return hashlib.sha256(os.fsencode(self.common_dir)).hexdigest()[:16]

    @property
    def index(self) -> Path:
        """The index of the project's work tree."""
        return self.git_dir / "index"

    @property
    def git(self) -> Git:
        """Git with the project's work tree."""
        return Git(self.work_tree, self.git_dir, self.work_tree, offline=self.offline)

    def branch(self) -> str | None:
        """The branch that is checked out now; None for a detached HEAD or a private repository."""
        return None if self.private else self.git.maybe("symbolic-ref", "--quiet", "--short", "HEAD")

    def head(self) -> str | None:
        """The commit that is checked out now; None if there is none yet."""
        return self.git.maybe("rev-parse", "--quiet", "--verify", "HEAD^{commit}")


def locate(project: Path) -> Location:
    """Where *project* is. SandboxError if git refuses to say."""
    found = _discover(project)
    if found is None:
        return Location(root=project.resolve(), in_git=False)
    return Location(root=found.work_tree, in_git=True, branch=found.branch(), head=found.head())


def open_repository(project: Path, state_root: Path) -> Repository:
    """The repository of *project*, a private one if it is in none. SandboxError, GitError."""
    require_version()
    if not project.is_dir():
        raise SandboxError(f"The project {project} is not there any more.")
    return _discover(project) or _private(project.resolve(), state_root)


def locate_submodule(folder: Path) -> Repository | None:
    """The repository whose work tree is just *folder*; None if there is none. GitError."""
    if not (folder / ".git").exists():
        return None
    found = _discover(folder)
    return found if found and found.work_tree.samefile(folder) else None


def refuse_unready(repository: Repository) -> None:
    """Refuse a repository whose work tree is in the middle of something. UnreadyProjectError."""
    if not repository.private and repository.head() is None:
        raise UnreadyProjectError(f"{repository.work_tree} has no commit yet. Make a first one.")
    for name, what in _UNFINISHED.items():
        if (repository.git_dir / name).exists():
            raise UnreadyProjectError(
                f"{what.capitalize()} is in progress in {repository.work_tree}. Finish or abort it."
            )


def _discover(project: Path) -> Repository | None:
    git = Git(project)
    done = git.call("rev-parse", *_PLACES, ok=range(256))
    if done.returncode:
        return _explain(project, done.stderr.decode("utf-8", "replace"))
    lines = done.stdout.removesuffix(b"\n").split(b"\n")
    if len(lines) != len(_PLACES):  # a path with a line end in it: then one at a time
        lines = [git.bytes("rev-parse", place).removesuffix(b"\n") for place in _PLACES]
    top, git_dir, common = (Path(os.fsdecode(line)) for line in lines)
    root = project.resolve()
    # A project that an enclosing repository ignores is not a part of it: think of a home under git.
    if root != top.resolve() and git.maybe("check-ignore", "--quiet", str(root)) is not None:
        return None
    return Repository(work_tree=top, git_dir=git_dir, common_dir=(project / common).resolve(), private=False)


def _explain(project: Path, stderr: str) -> None:
    """Return None if there is no repository; raise for one that cannot be used."""
    if "not a git repository" in stderr:
        return
    if "must be run in a work tree" in stderr:
        raise SandboxError(f"{project} belongs to a bare repository, which has no work tree.")
    raise GitError(["rev-parse", "--show-toplevel"], 128, stderr)


def _private(project: Path, state_root: Path) -> Repository:
    name = hashlib.sha256(os.fsencode(project)).hexdigest()[:16]
    git_dir = state_root / "repositories" / f"{name}.git"
    if not (git_dir / "HEAD").exists():
        git_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        Git(git_dir, git_dir).text("init", "--quiet", "--bare", "--template=", str(git_dir))
        (git_dir / "info").mkdir(exist_ok=True)
    return Repository(work_tree=project, git_dir=git_dir, common_dir=git_dir, private=True)
