"""The three ways to make a sandbox: a worktree, a clone, a plain copy."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from agentsd.errors import GitError, SandboxError
from agentsd.plans import private_git
from agentsd.plans.git import Git
from agentsd.plans.repository import Repository
from agentsd.plans.sandbox import Sandbox, check_out, remove_tree

_TRIES = 5


class Strategy(ABC):
    """How a sandbox is made and taken away."""

    has_git = True
    """Whether the steps find a git directory in the sandbox."""

    @abstractmethod
    def make(self, repository: Repository, box: Sandbox) -> None:
        """Fill ``box.path`` with the tree of ``box.base``, and ``box.index`` with what it looks like. GitError, OSError."""

    def unregister(self, repository: Repository, box: Sandbox) -> None:  # noqa: B027 - most need nothing
        """Let the repository forget the sandbox; also when its folder is gone."""


class Worktree(Strategy):
    """Registered as a linked worktree, but with a git directory of its own.

    It is detached and locked, so that nobody's ``git worktree prune`` takes it away; ``git worktree list`` shows it.
    """

    def make(self, repository: Repository, box: Sandbox) -> None:
        """Register the worktree, then put a git directory in the place of the link to the shared one."""
        self._register(repository, box)
        (box.path / ".git").unlink()
        check_out(repository, box.path, box.base, box.index)
        private_git.make(repository, box.path / ".git", box.base, box.index)

    def unregister(self, repository: Repository, box: Sandbox) -> None:
        """Remove our administrative folders and no others, as ``git worktree prune`` would."""
        for admin in self._admins(repository, box):
            # As soon as its `locked` is gone, a `git worktree prune` of somebody else may remove the rest before us.
            while admin.exists():
                with suppress(FileNotFoundError):
                    remove_tree(admin)
            with suppress(OSError):
                admin.parent.rmdir()

    def _register(self, repository: Repository, box: Sandbox) -> None:
        """Add the worktree, locked from its first moment.

        Between git's mkdir of the administrative folder and its writing ``locked`` there, a ``git worktree prune`` of
        somebody else may remove that folder. Then git fails, and it is tried again.
        """
        reason = f"agentsd plan {box.plan_id} job {box.job_id}"
        arguments = ("--no-checkout", "--detach", "--lock", "--reason", reason, "--", box.root, box.base)
        for last in (*[False] * (_TRIES - 1), True):
            try:
                Git(repository.work_tree, repository.git_dir).call("worktree", "add", *arguments)
                break
            except GitError:
                self.unregister(repository, box)
                remove_tree(box.path)
                if last:
                    raise
        locks = [_read(admin / "locked") for admin in self._admins(repository, box)]
        if locks != [reason]:
            raise SandboxError(f"The worktree {box.root} is not registered as ours.")

    @staticmethod
    def _admins(repository: Repository, box: Sandbox) -> Iterator[Path]:
        """The administrative folders of the sandbox: those that point at it.

        One that points nowhere is ours by its name: git was killed after it had made the folder.
        """
        for admin in (repository.common_dir / "worktrees").glob("*"):
            pointer = _read(admin / "gitdir")
            if pointer == str(box.path / ".git") or (not pointer and admin.name.startswith(box.path.name)):
                yield admin


class Clone(Strategy):
    """A repository of its own, of which the project's repository knows nothing."""

    def make(self, repository: Repository, box: Sandbox) -> None:
        """Check the base out and put a git directory into it."""
        box.path.mkdir(parents=True)
        check_out(repository, box.path, box.base, box.index)
        private_git.make(repository, box.path / ".git", box.base, box.index)


class Copy(Strategy):
    """A plain folder without any git directory."""

    has_git = False

    def make(self, repository: Repository, box: Sandbox) -> None:
        """Check the base out."""
        box.path.mkdir(parents=True)
        check_out(repository, box.path, box.base, box.index)


def _read(path: Path) -> str:
    """What git wrote into *path*; empty if it is not there."""
    try:
        return os.fsdecode(path.read_bytes()).rstrip("\n")
    except OSError:
        return ""


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {"worktree": Worktree(), "clone": Clone(), "copy": Copy()}
)
"""By the name that a plan gives. ``none`` is no sandbox and not among them."""
