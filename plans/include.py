"""Bringing ignored files, such as ``.env``, into a sandbox.

A file comes along only if a pattern names it and git ignores it and it is untracked: everything else is in the
snapshot already.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from agentsd.plans.repository import Repository
from agentsd.plans.snapshot import scratch

DEFAULT_FILE = ".worktreeinclude"


def bring(
    repository: Repository, target: Path, patterns: Sequence[str] | None, state_root: Path
) -> tuple[str, ...]:
    """Copy the files that *patterns* name (None: ``.worktreeinclude``) to *target*; return their paths."""
    wanted = _wanted(repository, patterns, state_root)
    return tuple(path for path in wanted if _copy(repository.work_tree / path, target / path, target))


def _wanted(repository: Repository, patterns: Sequence[str] | None, state_root: Path) -> list[str]:
    default = repository.work_tree / DEFAULT_FILE
    if patterns is None:
        return _matching(repository, default) if default.is_file() else []
    if not patterns:
        return []
    with scratch(state_root) as folder:
        listing = folder / "include"
        listing.write_text("".join(f"{pattern}\n" for pattern in patterns))
        return _matching(repository, listing)


def _matching(repository: Repository, listing: Path) -> list[str]:
    """The paths that both *listing* and the project's ignore rules match."""
    others = ("ls-files", "--others", "--ignored", "-z")
    ignored = set(repository.git.paths(*others, "--exclude-standard"))
    named = repository.git.paths(*others, f"--exclude-from={listing}")
    return sorted(path for path in named if path in ignored and not path.endswith("/"))


def _copy(source: Path, target: Path, root: Path) -> bool:
    """Copy one file with its mode, or a link as a link. Never over something, never through a link."""
    if target.exists() or target.is_symlink():
        return False
    parents = [parent for parent in target.parents if parent != root and root in parent.parents]
    if any(parent.is_symlink() for parent in parents):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    return True
