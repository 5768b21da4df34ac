"""The three ways to make a sandbox: a worktree, a clone, a plain copy."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from agentsd.errors import SandboxError
from agentsd.plans.git import Git
from agentsd.plans.refs import pin
from agentsd.plans.repository import Repository
from agentsd.plans.sandbox import Sandbox, remove_tree

_SHARED_SETTINGS = (
    r"^(filter|lfs|user|merge|diff|submodule)\."
    r"|^core\.(autocrlf|eol|filemode|symlinks|ignorecase|precomposeunicode|excludesfile|attributesfile)$"
)
_RESULT = "refs/agents/result"


class Strategy(ABC):
    """How a sandbox is made, looked into and taken away."""

    @abstractmethod
    def make(self, repository: Repository, box: Sandbox) -> None:
        """Fill ``box.path`` with the tree of ``box.base``. GitError, OSError."""

    def view(self, repository: Repository, box: Sandbox) -> tuple[Git, Path]:
        """Git with the sandbox as its work tree, and the index that knows it."""
        return repository.git.using(work_tree=box.path), box.index

    def publish(self, repository: Repository, view: Git, commit: str, ref: str) -> None:
        """Point *ref* of the repository at *commit*, which was made with *view*."""
        del view
        pin(repository.git, ref, commit)

    def unregister(self, repository: Repository, box: Sandbox) -> None:  # noqa: B027 - most need nothing
        """Let the repository forget the sandbox; also when its folder is gone."""


class Worktree(Strategy):
    """A linked worktree, detached and locked, so that nobody's ``git worktree prune`` takes it away."""

    def make(self, repository: Repository, box: Sandbox) -> None:
        """Add the worktree. It is locked from its first moment: a prune beside it finds no gap."""
        reason = f"agentsd plan {box.plan_id} job {box.job_id}"
        arguments = ("--detach", "--lock", "--reason", reason, "--", box.root, box.base)
        Git(repository.work_tree, repository.git_dir).call("worktree", "add", *arguments)
        admin = self._admin(repository, box)
        if admin is None or (admin / "locked").read_text().strip() != reason:
            raise SandboxError(f"The worktree {box.root} is not registered as ours.")

    def view(self, repository: Repository, box: Sandbox) -> tuple[Git, Path]:
        """Through the administrative folder, whatever the steps did to ``.git`` in the sandbox."""
        admin = self._admin(repository, box)
        if admin is None:
            return super().view(repository, box)
        return Git(box.path, admin, box.path), admin / "index"

    def unregister(self, repository: Repository, box: Sandbox) -> None:
        """Remove our administrative folder and no other, as ``git worktree prune`` would."""
        if admin := self._admin(repository, box):
            remove_tree(admin)
            with suppress(OSError):
                admin.parent.rmdir()

    @staticmethod
    def _admin(repository: Repository, box: Sandbox) -> Path | None:
        """The administrative folder of the sandbox, found by what it points at."""
        for pointer in (repository.common_dir / "worktrees").glob("*/gitdir"):
            with suppress(OSError):
                if Path(os.fsdecode(pointer.read_bytes()).rstrip("\n")) == box.path / ".git":
                    return pointer.parent
        return None


class Clone(Strategy):
    """A repository of its own that borrows the objects: stash, branches, config and hooks are not shared."""

    def make(self, repository: Repository, box: Sandbox) -> None:
        """Make a repository with the project's settings for content, and check the base out."""
        form = repository.git.text("rev-parse", "--show-object-format")
        box.path.mkdir(parents=True)
        git = Git(box.path)
        git.call("init", "--quiet", "--template=", f"--object-format={form}")
        self._borrow(repository, box.path / ".git")
        self._copy_settings(repository, git)
        git.call("checkout", "--quiet", "--detach", box.base)

    def view(self, repository: Repository, box: Sandbox) -> tuple[Git, Path]:
        """Through the clone's own git directory if that is still one."""
        git = Git(box.path, box.path / ".git", box.path)
        if git.maybe("rev-parse", "--quiet", "--verify", f"{box.base}^{{commit}}") is None:
            return super().view(repository, box)
        return git, box.path / ".git" / "index"

    def publish(self, repository: Repository, view: Git, commit: str, ref: str) -> None:
        """Fetch the commit: its objects are in the clone."""
        if view.git_dir == repository.git_dir:
            return super().publish(repository, view, commit, ref)
        pin(view, _RESULT, commit)
        flags = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        repository.git.call("fetch", *flags, str(view.cwd), f"+{_RESULT}:{ref}")
        return None

    @staticmethod
    def _borrow(repository: Repository, git_dir: Path) -> None:
        alternates = git_dir / "objects" / "info" / "alternates"
        alternates.parent.mkdir(parents=True, exist_ok=True)
        alternates.write_bytes(os.fsencode(repository.common_dir / "objects") + b"\n")
        (git_dir / "info").mkdir(exist_ok=True)
        for name in ("exclude", "attributes"):
            with suppress(FileNotFoundError):
                (git_dir / "info" / name).write_bytes((repository.common_dir / "info" / name).read_bytes())

    @staticmethod
    def _copy_settings(repository: Repository, git: Git) -> None:
        arguments = ("config", "--local", "-z", "--get-regexp", _SHARED_SETTINGS)
        for pair in repository.git.call(*arguments, ok=(0, 1)).stdout.split(b"\0"):
            name, _, value = os.fsdecode(pair).partition("\n")
            if name:
                git.call("config", "--local", "--add", name, value)


class Copy(Strategy):
    """A plain folder without any git directory."""

    def make(self, repository: Repository, box: Sandbox) -> None:
        """Check the base out through an index that lies beside the sandbox."""
        box.path.mkdir(parents=True)
        git = repository.git.using(work_tree=box.path, index=box.index)
        git.call("read-tree", "--reset", "-u", box.base)


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {"worktree": Worktree(), "clone": Clone(), "copy": Copy()}
)
"""By the name that a plan gives. ``none`` is no sandbox and not among them."""
