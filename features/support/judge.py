"""What git itself says about a project: plain commands, and nothing of agentsd.

A test that compared agentsd's merge with agentsd's snapshot could agree with a mistake of both. Everything here is
worked out in a repository of its own, from the files as they lie on the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

OURS = ("objects", "refs/agents", "logs/refs/agents", "agentsd.lock", "worktrees", "agentsd")
"""What agentsd may write below ``.git``: objects, its own refs, its lock, the registration of its sandboxes."""

Files = dict[str, tuple[str, bytes]]
"""Path to kind (``file``, ``executable``, ``link``) and content."""


@dataclass(frozen=True)
class Merge:
    """What an ordinary ``git merge`` made: a tree, the files that it wrote, the paths that it changed."""

    tree: str
    files: Files
    changed: frozenset[str]


class Judge:
    """A repository beside the project, with the project's objects and settings as they were in the beginning."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project, self.folder = project, folder
        shutil.copytree(project / ".git", folder / ".git", symlinks=True)
        shutil.rmtree(folder / ".git" / "worktrees", ignore_errors=True)

    def git(self, *args: str, work_tree: Path | None = None, index: Path | None = None, code: int = 0) -> str:
        """Run git in the judge's repository; another exit code than *code* fails the test."""
        done = self._run(args, work_tree, index)
        assert done.returncode == code, (args, done.returncode, done.stderr)
        return os.fsdecode(done.stdout).rstrip("\n")

    def _run(
        self, args: tuple[str, ...], work_tree: Path | None = None, index: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env |= {"GIT_DIR": str(self.folder / ".git"), "GIT_WORK_TREE": str(work_tree or self.folder)}
        env |= {"GIT_INDEX_FILE": str(index or self.folder / ".git" / "index"), "LC_ALL": "C"}
        who = ("-c", "user.name=Judge", "-c", "user.email=judge@example.org")
        settings = ("-c", "core.hooksPath=/dev/null", "-c", "core.safecrlf=false", "-c", "gc.auto=0")
        # From inside the work tree: git treats paths elsewhere as outside the repository.
        place = work_tree or self.folder
        return subprocess.run(
            ["git", *who, *settings, *args], cwd=place, env=env, capture_output=True, check=False
        )

    def commit(
        self, work_tree: Path, seed: Path | str, parent: str | None = None, without: Iterable[str] = ()
    ) -> str:
        """Commit all of *work_tree* but what git ignores, and *without* some.

        *seed* is an index, or a commit, of what is tracked.
        """
        index = self.folder / ".git" / "judging-index"
        index.unlink(missing_ok=True)
        if isinstance(seed, Path):
            shutil.copy(seed, index)
            self._forget_times(index)
        else:
            self.git("read-tree", seed, index=index)
        ignored = set(self._ignored(work_tree, index))  # git refuses to have one named, even to leave it out
        hidden = [f":(exclude,top,literal){name}" for name in without if name not in ignored]
        self.git("add", "--all", "--", ".", *hidden, work_tree=work_tree, index=index)
        tree = self.git("write-tree", index=index)
        return self.git("commit-tree", tree, *(("-p", parent) if parent else ()), "-m", "judged")

    def _ignored(self, work_tree: Path, index: Path) -> list[str]:
        words = ("ls-files", "--others", "--ignored", "--exclude-standard", "-z")
        return [os.fsdecode(name) for name in self._run(words, work_tree, index).stdout.split(b"\0")]

    def _forget_times(self, index: Path) -> None:
        """Let git read every file afresh: what the copied index remembers of sizes and times proves nothing."""
        listed = self._run(("ls-files", "--stage", "-z"), index=index).stdout
        index.unlink()
        subprocess.run(
            ["git", "update-index", "-z", "--index-info"],
            cwd=self.folder,
            env=os.environ | {"GIT_DIR": str(self.folder / ".git"), "GIT_INDEX_FILE": str(index)},
            input=listed,
            check=True,
            capture_output=True,
        )

    def tree_of(self, work_tree: Path, seed: Path | str, without: Iterable[str] = ()) -> str:
        """The tree that such a commit has."""
        return self.git("rev-parse", f"{self.commit(work_tree, seed, without=without)}^{{tree}}")

    def merge(self, ours: str, theirs: str) -> Merge | None:
        """``git merge`` as anybody would run it, with its files on the disk; None if it conflicts."""
        self.git("checkout", "--quiet", "--force", "--detach", ours)
        self.git("clean", "-ffdxq")
        if self._run(("merge", "--quiet", "--no-edit", "--no-ff", theirs)).returncode:
            self.git("reset", "--quiet", "--hard")
            return None
        tree = self.git("rev-parse", "HEAD^{tree}")
        changed = self._run(("diff-tree", "-r", "-z", "--no-renames", "--name-only", ours, tree)).stdout
        names = frozenset(os.fsdecode(name) for name in changed.split(b"\0") if name)
        return Merge(tree, files_in(self.folder), names)

    def paths_in(self, commit: str) -> set[str]:
        """Every path that *commit* has."""
        listed = self._run(("ls-tree", "-r", "-z", "--name-only", commit)).stdout
        return {os.fsdecode(name) for name in listed.split(b"\0") if name}


def files_in(folder: Path) -> Files:
    """Every file and link below *folder*, but for ``.git`` at its top."""
    found: Files = {}
    for place, folders, names in os.walk(folder):
        if Path(place) == folder:
            folders[:] = [name for name in folders if name != ".git"]
        links = [name for name in folders if Path(place, name).is_symlink()]
        for path in (Path(place, name) for name in (*names, *links)):
            found[str(path.relative_to(folder))] = _content(path)
    found.pop(".git", None)  # the pointer of a worktree
    return found


def _content(path: Path) -> tuple[str, bytes]:
    if path.is_symlink():
        return "link", os.fsencode(path.readlink())
    return ("executable" if path.stat().st_mode & 0o100 else "file"), path.read_bytes()


def private_files(project: Path) -> dict[str, bytes]:
    """Everything below ``.git`` that is the user's: index, HEAD, refs, reflogs, stash, config, hooks; byte for byte."""
    git_dir = project / ".git"
    found: dict[str, bytes] = {}
    for place, _, names in os.walk(git_dir):
        for path in (Path(place, name) for name in names):
            name = str(path.relative_to(git_dir))
            if not any(name == ours or name.startswith(f"{ours}/") for ours in OURS):
                found[name] = path.read_bytes()
    return found
