"""Running git so that nothing around it can change what it does.

Each call gets a scrubbed environment (a job may have been started from inside a hook, where ``GIT_INDEX_FILE``
and ``GIT_DIR`` point into somebody's commit), no hooks, no background maintenance and an identity of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import IO

from agentsd.errors import GitError, GitMissingError, SandboxError

MINIMUM_VERSION = (2, 38)
"""The first git whose ``merge-tree`` merges without a work tree."""

_OPTIONS = tuple(
    part
    for setting in (
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.safecrlf=false",
        "gc.auto=0",
        "maintenance.auto=false",
        "advice.addEmbeddedRepo=false",
        # Of a repository that was copied from a system which knows no case: here `F` and `f` are two files.
        *(["core.ignoreCase=false"] if sys.platform == "linux" else []),
        # And links are links: a plan may make some, and what is written as a plain file would be read as one.
        *(["core.symlinks=true"] if sys.platform == "linux" else []),
        # An index of ours is one whole file, wherever it lies; and times are compared as exactly as can be.
        "core.splitIndex=false",
        "core.untrackedCache=false",
        "index.sparse=false",
        "core.trustctime=true",
        "core.checkStat=default",
        # Submodules are ours to fill, and what we pin needs no reflog.
        "submodule.recurse=false",
        "diff.ignoreSubmodules=dirty",
        "core.logAllRefUpdates=false",
        # Milliseconds: git of somebody else may be packing refs just now.
        "core.filesRefLockTimeout=10000",
        "core.packedRefsTimeout=10000",
    )
    for part in ("-c", setting)
)

_TRIES = 5
_FOLDER_WENT = b"unable to create temporary file: No such file or directory"

_FIXED = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",  # `git status` would otherwise rewrite the user's index
    "GIT_AUTHOR_NAME": "agentsd",
    "GIT_AUTHOR_EMAIL": "agentsd@localhost",
    "GIT_COMMITTER_NAME": "agentsd",
    "GIT_COMMITTER_EMAIL": "agentsd@localhost",
}


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """*environ* without any ``GIT_*`` variable."""
    return {name: value for name, value in environ.items() if not name.startswith("GIT_")}


@dataclass(frozen=True, slots=True)
class Git:
    """git for one repository. Without *git_dir* it discovers the repository from *cwd*."""

    cwd: Path
    git_dir: Path | None = None
    work_tree: Path | None = None
    index: Path | None = None
    offline: bool = False
    """Whether git may fetch nothing, not even an object that a partial clone lacks."""

    def using(self, *, work_tree: Path | None = None, index: Path | None = None) -> Git:
        """The same repository with another work tree or index."""
        tree = work_tree or self.work_tree
        return replace(self, cwd=work_tree or self.cwd, work_tree=tree, index=index or self.index)

    def environment(self) -> dict[str, str]:
        """The whole environment of a git process."""
        places = {
            "GIT_DIR": self.git_dir,
            "GIT_WORK_TREE": self.work_tree,
            "GIT_INDEX_FILE": self.index,
        }
        more = {"GIT_ALLOW_PROTOCOL": "none"} if self.offline else {}
        found = {name: str(path) for name, path in places.items() if path}
        return scrubbed(os.environ) | _FIXED | found | more

    def call(
        self, *args: str, stdin: bytes = b"", ok: Iterable[int] = (0,), output: IO[bytes] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``git *args*``. GitError if it ends with a code that is not in *ok*.

        *output* takes its standard output, which may be larger than memory.
        """
        done = self._run(args, stdin, output)
        for _ in range(_TRIES):
            # git made the folder of an object, `git gc` of somebody else saw it empty and removed it, and git could not
            # put the object there. Whatever we call may be called again.
            if done.returncode in ok or _FOLDER_WENT not in done.stderr:
                break
            done = self._run(args, stdin, output)
        if done.returncode not in ok:
            raise GitError(args, done.returncode, done.stderr.decode("utf-8", "replace"))
        return done

    def _run(
        self, args: Iterable[str], stdin: bytes, output: IO[bytes] | None
    ) -> subprocess.CompletedProcess[bytes]:
        command = ["git", *_OPTIONS, *args]
        try:
            return subprocess.run(  # noqa: S603 - an argument list, no shell
                command,
                cwd=self.cwd,
                env=self.environment(),
                input=stdin,
                stdout=output or subprocess.PIPE,
                stderr=subprocess.PIPE,
                check=False,
            )
        except OSError as error:
            if self.cwd.is_dir():
                raise GitMissingError(f"git cannot be run: {error.strerror}") from error
            raise SandboxError(f"Cannot run git in {self.cwd}: {error.strerror}.") from error

    def bytes(self, *args: str, stdin: bytes = b"") -> bytes:
        """The standard output of ``git *args*``."""
        return self.call(*args, stdin=stdin).stdout

    def text(self, *args: str, stdin: bytes = b"") -> str:
        """The standard output of ``git *args*`` without its last line end; right for oids and paths of ours."""
        return os.fsdecode(self.bytes(*args, stdin=stdin)).removesuffix("\n")

    def maybe(self, *args: str) -> str | None:
        """As :meth:`text`, but None if git ends with an error."""
        done = self.call(*args, ok=range(256))
        return None if done.returncode else os.fsdecode(done.stdout).removesuffix("\n")

    def paths(self, *args: str, stdin: bytes = b"") -> list[str]:
        """The NUL-separated paths on the standard output."""
        return [os.fsdecode(path) for path in self.bytes(*args, stdin=stdin).split(b"\0") if path]


def nul_separated(paths: Iterable[str]) -> bytes:
    """Paths for a git command that reads ``-z --stdin``."""
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def shown(path: str) -> str:
    """*path* as text that can be printed and stored as JSON, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@cache
def version() -> tuple[int, ...]:
    """The version of git. GitMissingError if there is none."""
    words = Git(Path("/")).text("version")
    match = re.search(r"(\d+)\.(\d+)", words)
    return tuple(int(part) for part in match.groups()) if match else (0, 0)


def require_version() -> None:
    """Refuse a git that lacks what we need. GitMissingError."""
    if version() < MINIMUM_VERSION:
        need, have = (".".join(map(str, numbers)) for numbers in (MINIMUM_VERSION, version()))
        raise GitMissingError(f"git {have} is too old: sandboxes need git {need} or newer")
