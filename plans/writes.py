"""Writing operations into the project: all content is prepared first, then deletions, then whole files.

A file changes by one rename, so at every instant it is the old one or the new one. The index is not touched: the
user sees ordinary unstaged changes.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agentsd.errors import ConflictError
from agentsd.plans.changes import Difference, Entry
from agentsd.plans.durable import TEMPORARY_PATTERN, sync_folders, temporary_beside
from agentsd.plans.git import Git, nul_separated, shown

Signature = tuple[int, ...] | None
"""What tells a file from an edited one: inode, mode, size and times; None if there is none."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Operations that are ready to be written into *root*. *staged* holds the new content."""

    root: Path
    staged: Path
    operations: tuple[Difference, ...]
    seen: Mapping[str, Signature]

    def write(self) -> None:
        """Write everything. ConflictError, with the rest unwritten, at a file that is edited meanwhile."""
        touched: set[Path] = set()
        for operation in self._ordered():
            target = self.root / operation.path
            if signature(self.root, operation.path) != self.seen[operation.path]:
                raise ConflictError(
                    f"{shown(operation.path)} was edited while the change was written. Apply again to go on."
                )
            if operation.new is None:
                self._delete(target)
            else:
                self._put(self.staged / operation.path, target)
            touched.add(target.parent)
        sync_folders(touched)

    def _ordered(self) -> Iterator[Difference]:
        """Deletions first: a file may stand where a folder shall be."""
        yield from (each for each in self.operations if each.new is None)
        yield from (each for each in self.operations if each.new is not None)

    def _delete(self, target: Path) -> None:
        target.unlink()
        for parent in target.parents:
            if parent == self.root:
                break
            try:
                parent.rmdir()
            except OSError:
                break

    def _put(self, staged: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() and not target.is_symlink():
            _remove_empty(target)
        temporary = temporary_beside(target)
        try:
            if staged.is_symlink():
                temporary.symlink_to(staged.readlink())
            else:
                _copy_file(staged, temporary, target)
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def stage(git: Git, commit: str, operations: Sequence[Difference], folder: Path) -> Path:
    """Check out the new content of *operations* below *folder*, as git would: filters, line ends, modes.

    All that can fail for a reason of git's does so here, before anything is written. *commit* is the tree whose
    attributes count. GitError.
    """
    tree = folder / "tree"
    tree.mkdir()
    staging = git.using(work_tree=tree, index=folder / "staging-index")
    staging.call("read-tree", commit)
    wanted = [(each.path, each.new) for each in operations if each.new is not None]
    lines = [f"{new.mode} {new.oid}\t".encode() + os.fsencode(path) + b"\0" for path, new in wanted]
    staging.call("update-index", "--add", "--replace", "-z", "--index-info", stdin=b"".join(lines))
    names = nul_separated(path for path, _ in wanted)
    staging.call("checkout-index", "--force", "-z", "--stdin", stdin=names)
    return tree


def signature(root: Path, path: str) -> Signature:
    """The signature of what is at *path*, links not followed. A folder, or a path behind a link, is nothing."""
    if any((root / parent).is_symlink() for parent in PurePosixPath(path).parents):
        return None
    try:
        found = (root / path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(found.st_mode):
        return None
    return (found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def sweep(root: Path, operations: Sequence[Difference]) -> None:
    """Remove temporary files that an apply left in the project when it was killed."""
    for folder in {(root / each.path).parent for each in operations}:
        for temporary in folder.glob(TEMPORARY_PATTERN):
            with suppress(OSError):
                temporary.unlink()


def obstacles(root: Path, operations: Sequence[Difference]) -> list[tuple[str, str]]:
    """What git does not know about and a write would destroy or follow: (kind, path) pairs."""
    deleted = {each.path for each in operations if each.new is None}
    found: list[tuple[str, str]] = []
    for each in operations:
        if each.new is not None and (kind := _obstacle(root, each, deleted)):
            found.append((kind, shown(each.path)))
    return found


def _obstacle(root: Path, operation: Difference, deleted: set[str]) -> str:
    for parent in reversed(PurePosixPath(operation.path).parents):
        place = root / parent
        if place.is_symlink() and str(parent) not in deleted:
            return "symbolic link in the way"
        if place.exists() and not place.is_dir() and str(parent) not in deleted:
            return "ignored file in the way"
    target = root / operation.path
    if target.is_dir() and not target.is_symlink():
        return "" if _will_be_empty(root, target, deleted) else "folder in the way"
    return "ignored file in the way" if operation.old is None and signature(root, operation.path) else ""


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
        return entry.mode == "120000" and git.text("hash-object", "--stdin", stdin=content) == entry.oid
    if not target.is_file():
        return False
    executable = bool(target.stat().st_mode & stat.S_IXUSR)
    if entry.mode != ("100755" if executable else "100644"):
        return False
    return git.text("hash-object", f"--path={path}", "--stdin", stdin=target.read_bytes()) == entry.oid


def _copy_file(staged: Path, temporary: Path, target: Path) -> None:
    """Copy content durably. An existing file keeps its owner and its permissions but for the executable bit."""
    mode = stat.S_IMODE(staged.stat().st_mode)
    owner: tuple[int, int] | None = None
    if target.is_file() and not target.is_symlink():
        there = target.stat()
        owner = (there.st_uid, there.st_gid)
        kept = stat.S_IMODE(there.st_mode)
        mode = kept | (kept & 0o444) >> 2 if mode & stat.S_IXUSR else kept & ~0o111
    with staged.open("rb") as source, temporary.open("xb") as file:
        shutil.copyfileobj(source, file)
        if owner is not None:
            with suppress(PermissionError):
                os.fchown(file.fileno(), *owner)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())


def _remove_empty(folder: Path) -> None:
    """Remove a folder that holds nothing but folders."""
    for place, _, _ in os.walk(folder, topdown=False):
        Path(place).rmdir()
