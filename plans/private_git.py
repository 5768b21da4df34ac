"""A git directory for the steps alone, which borrows the objects of the project's and shares nothing else.

Whatever the steps do with git (branches, stash, config, hooks, gc) stays in it. They see the project's branches,
tags and remotes as they were when it was made. Results are not captured through it, so it may be destroyed.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from agentsd.plans import private_config
from agentsd.plans.repository import Repository

_FOLDERS = ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info")
_COMMON_FILES = ("shallow", "info/exclude", "info/attributes", "info/grafts")
_OWN_FILES = ("info/sparse-checkout",)
"""What each worktree of a repository has for itself."""

_NOT_COPIED = (b"refs/agents/", b"refs/stash", b"refs/bisect/", b"refs/worktree/", b"refs/rewritten/")


def make(repository: Repository, git_dir: Path, head: str, index: Path) -> None:
    """Make *git_dir*, detached at *head*, for the work tree around it that *index* describes. GitError, OSError."""
    for folder in _FOLDERS:
        (git_dir / folder).mkdir(parents=True)
    (git_dir / "objects/info/alternates").write_bytes(_alternate(repository.common_dir / "objects"))
    for source, names in ((repository.common_dir, _COMMON_FILES), (repository.git_dir, _OWN_FILES)):
        for name in names:
            with suppress(FileNotFoundError):
                (git_dir / name).write_bytes((source / name).read_bytes())
    _copy_refs(repository, git_dir)
    (git_dir / "config").write_bytes(private_config.render(repository))
    # The time of the index is kept: with a newer one git would trust the size of files edited in between.
    shutil.copy2(index, git_dir / "index")
    (git_dir / "HEAD").write_text(f"{head}\n")


def _copy_refs(repository: Repository, git_dir: Path) -> None:
    """Copy the refs as one packed file: thousands of them cost as much as one."""
    packed: list[tuple[bytes, bytes]] = []
    listed = repository.git.bytes("for-each-ref", "--format=%(objectname) %(refname) %(symref)")
    for oid, name, target in (line.split(b" ") for line in listed.splitlines()):
        if name.startswith(_NOT_COPIED):
            continue
        if target:
            link = git_dir / os.fsdecode(name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.write_bytes(b"ref: " + target + b"\n")
        else:
            packed.append((name, oid))
    lines = [oid + b" " + name for name, oid in sorted(packed)]
    (git_dir / "packed-refs").write_bytes(b"\n".join([b"# pack-refs with: sorted ", *lines, b""]))


def _alternate(folder: Path) -> bytes:
    """A line of ``objects/info/alternates``; git reads a quoted one as C would. What it borrows itself, git follows."""
    path = os.fsencode(folder)
    if b"\n" in path:
        escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
        path = b'"' + escaped + b'"'
    return path + b"\n"
