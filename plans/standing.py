"""What stands in the project where an apply or a revert is going to write."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agentsd.plans import conflicts
from agentsd.plans.changes import EXECUTABLE, LINK, PLAIN_FILE, Difference, Entry
from agentsd.plans.git import Git, shown

Signature = tuple[int, ...] | None
"""What tells a file from an edited one: inode, mode, size and times; None if there is none."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """Whose a file or folder is and who may do what with it; *mode* is the permission bits alone."""

    mode: int
    owner: int
    group: int

    @classmethod
    def of(cls, found: os.stat_result) -> Permissions:
        """Those of what was looked at."""
        return cls(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)


def permissions(root: Path, path: str) -> Permissions | None:
    """The permissions of the file or link at *path*; None if there is none. See :func:`signature`."""
    if signature(root, path) is None:
        return None
    return Permissions.of((root / path).lstat())


def mode_after(there: int, old: Entry | None, new: Entry) -> int:
    """The permission bits that a file with the bits *there* has when it has become *new*.

    They stay as they are but for the executable bit, and that, too, where the change does not concern it: with
    ``core.fileMode`` off, git's idea of it says nothing about what is on the disk.
    """
    if old is not None and old.mode == new.mode:
        return there
    return there | (there & 0o444) >> 2 if new.mode == EXECUTABLE else there & ~0o111


def signature(root: Path, path: str) -> Signature:
    """The signature of what is at *path*, links not followed. A folder, or a path behind a link, is nothing."""
    top = os.fspath(root)
    for end in (index for index, char in enumerate(path) if char == "/"):
        if os.path.islink(f"{top}/{path[:end]}"):  # noqa: PTH114 - for thousands of files pathlib takes seconds
            return None
    try:
        found = os.lstat(f"{top}/{path}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(found.st_mode):
        return None
    return (found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def is_special(path: Path) -> bool:
    """Whether a pipe, a socket or a device is at *path*."""
    try:
        form = stat.S_IFMT(path.lstat().st_mode)
    except OSError:
        return False
    return form not in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR)


def missing_folders(root: Path, operations: Sequence[Difference]) -> tuple[str, ...]:
    """The folders that writing *operations* will make, outer ones first."""
    needed = {str(parent) for each in operations if each.new for parent in PurePosixPath(each.path).parents}
    return tuple(sorted(path for path in needed if not os.path.isdir(root / path)))  # noqa: PTH112 - see above


def doomed_folders(root: Path, operations: Sequence[Difference]) -> dict[str, Permissions]:
    """The folders that may go when *operations* are written, outer ones first: those that become empty, or a file."""
    found: dict[str, Permissions] = {}
    for each in operations:
        if each.new is None:
            paths = [str(parent) for parent in PurePosixPath(each.path).parents][:-1]
        else:
            paths = list(_folders_below(root, each.path))
        for path in paths:
            if path not in found and (root / path).is_dir() and not (root / path).is_symlink():
                found[path] = Permissions.of((root / path).stat())
    return dict(sorted(found.items()))


def _folders_below(root: Path, path: str) -> Iterator[str]:
    """The folder at *path*, if it is one, and every folder in it."""
    for place, _, _ in os.walk(root / path):
        yield os.path.relpath(place, root)


def obstacles(root: Path, operations: Sequence[Difference]) -> list[tuple[str, str]]:
    """What git does not know about and a write would destroy or follow: (kind, path) pairs."""
    deleted = {each.path for each in operations if each.new is None}
    found: list[tuple[str, str]] = []
    for each in operations:
        if kind := _obstacle(root, each, deleted):
            found.append((kind, shown(each.path)))
    return found


def _obstacle(root: Path, operation: Difference, deleted: set[str]) -> str:
    if is_special(root / operation.path):
        return conflicts.SPECIAL_FILE
    if operation.new is None:
        return ""
    for parent in reversed(PurePosixPath(operation.path).parents):
        place = root / parent
        if str(parent) in deleted or (place.is_dir() and not place.is_symlink()):
            continue
        if place.is_symlink():
            return conflicts.LINK
        if place.exists():
            return conflicts.IGNORED_FILE
        break
    target = root / operation.path
    if target.is_dir() and not target.is_symlink():
        return "" if _will_be_empty(root, target, deleted) else conflicts.FOLDER
    return conflicts.IGNORED_FILE if operation.old is None and signature(root, operation.path) else ""


def _will_be_empty(root: Path, folder: Path, deleted: set[str]) -> bool:
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        if any(str(Path(place, name).relative_to(root)) not in deleted for name in (*files, *links)):
            return False
    return True


def stands_already(git: Git, path: str, entry: Entry) -> bool:
    """Whether the project has at *path* what *entry* says. For files that git ignores and so does not list."""
    target = (git.work_tree or git.cwd) / path
    if target.is_symlink():
        content = os.fsencode(target.readlink())
        return entry.mode == LINK and git.text("hash-object", "--stdin", stdin=content) == entry.oid
    if not target.is_file():
        return False
    executable = bool(target.stat().st_mode & stat.S_IXUSR)
    if entry.mode != (EXECUTABLE if executable else PLAIN_FILE):
        return False
    return git.text("hash-object", f"--path={path}", "--stdin", stdin=target.read_bytes()) == entry.oid
