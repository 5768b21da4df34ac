"""Writing operations into the project: whole files, each by one rename.

First all new content is written beside its targets and made durable, then files are deleted and renamed. So what
is most likely to fail, a full disk, fails before anything is changed; and thousands of files are made durable together
instead of one after the other. At every instant a file is the old one or the new one. The index is not touched:
the user sees ordinary unstaged changes.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from agentsd.errors import ConflictError, ProjectWriteError
from agentsd.faults import reach
from agentsd.plans import claims
from agentsd.plans.changes import Difference, set_entries
from agentsd.plans.durable import TEMPORARY_PATTERN, sync_files, sync_folders, temporary_beside
from agentsd.plans.git import Git, nul_separated, shown
from agentsd.plans.standing import Permissions, Signature, mode_after, signature

OnProgress = Callable[[str, int, int], None]
"""Told what is being done, how many files are done, and of how many."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def silent(_doing: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Writer:
    """Operations that are ready to be written into *root*. *staged* holds the new content.

    *empties*: the folders that go when a deletion leaves them empty; None: every one, as with git. *permissions* are
    those that files and folders shall have; a file of which they say nothing keeps its own.
    """

    root: Path
    staged: Path
    operations: tuple[Difference, ...]
    seen: Mapping[str, Signature]
    empties: frozenset[str] | None = None
    permissions: Mapping[str, Permissions] = field(default_factory=dict[str, Permissions])
    on_progress: OnProgress = silent
    written: int = 0
    """How many files of the project are written or deleted so far."""
    _at: str = ""
    _temporaries: dict[str, Path] = field(default_factory=dict[str, Path])
    _made: list[Path] = field(default_factory=list[Path])
    _touched: set[Path] = field(default_factory=set[Path])

    def write(self) -> None:
        """Write everything.

        ConflictError at a file that is edited meanwhile, ProjectWriteError where the disk or a permission refuses:
        either way what is not written by then stays as it was.
        """
        deletions = [each for each in self.operations if each.new is None]
        additions = [each for each in self.operations if each.new is not None]
        try:
            for each in self.operations:
                self._refuse_edited(each)
            self._prepare_all(additions, {each.path for each in deletions})
            # Deletions first: a file may stand where a folder shall be.
            self._change_all([*deletions, *additions])
        except OSError as error:
            total, problem = len(self.operations), error.strerror or str(error)
            raise ProjectWriteError(shown(self._at), problem, written=self.written, total=total) from error
        finally:
            self._clear_away()

    def _prepare_all(self, additions: Sequence[Difference], deleted: set[str]) -> None:
        """Write the new content beside its targets, durably; but for those whose folder is a file as yet."""
        for number, each in enumerate(additions):
            self.on_progress("preparing", number, len(additions))
            if deleted.isdisjoint(map(str, PurePosixPath(each.path).parents)):
                self._prepare(each)
        self._at = str(self.root)
        sync_files(path for path in self._temporaries.values() if not path.is_symlink())
        self.on_progress("preparing", len(additions), len(additions))

    def _change_all(self, operations: Sequence[Difference]) -> None:
        for number, each in enumerate(operations, start=1):
            self._refuse_edited(each)
            if each.new is None:
                self._delete(each)
            else:
                self._put(each)
            self.written = number
            reach("apply.between")
            self._touched.add((self.root / each.path).parent)
            self.on_progress("writing", number, len(operations))
        sync_folders(self._touched)

    def _refuse_edited(self, operation: Difference) -> None:
        self._at = operation.path
        if signature(self.root, operation.path) != self.seen[operation.path]:
            raise ConflictError(
                f"{shown(operation.path)} was edited while the change was written. Apply again to go on."
            )

    def _prepare(self, operation: Difference) -> None:
        self._at = operation.path
        target, staged = self.root / operation.path, self.staged / operation.path
        self._make_folder(target.parent)
        temporary = self._temporaries[operation.path] = temporary_beside(target)
        if staged.is_symlink():
            temporary.symlink_to(staged.readlink())
        else:
            _copy_file(staged, temporary, self._permissions_for(operation))

    def _permissions_for(self, operation: Difference) -> Permissions | None:
        """What *operation* shall give its file: what was asked for, else what is there already."""
        if operation.path in self.permissions:
            return self.permissions[operation.path]
        target = self.root / operation.path
        if target.is_symlink() or not target.is_file() or operation.new is None:
            return None
        there = Permissions.of(target.stat())
        return replace(there, mode=mode_after(there.mode, operation.old, operation.new))

    def _make_folder(self, folder: Path) -> None:
        """Make *folder* and what is missing above it; each new name has to be made durable in its parent."""
        if not folder.is_dir():
            self._make_folder(folder.parent)
            make_folder(folder, self.permissions.get(str(folder.relative_to(self.root))))
            self._made.append(folder)
            self._touched.add(folder.parent)

    def _delete(self, operation: Difference) -> None:
        target = self.root / operation.path
        target.unlink()
        for parent in PurePosixPath(operation.path).parents:
            if str(parent) == "." or (self.empties is not None and str(parent) not in self.empties):
                break
            try:
                (self.root / parent).rmdir()
            except OSError:
                break

    def _put(self, operation: Difference) -> None:
        if operation.path not in self._temporaries:
            self._prepare(operation)
            sync_files([self._temporaries[operation.path]])
        target = self.root / operation.path
        if target.is_dir() and not target.is_symlink():
            _remove_empty(target)
        self._temporaries[operation.path].replace(target)
        del self._temporaries[operation.path]

    def _clear_away(self) -> None:
        """Remove what was prepared and not used."""
        for temporary in self._temporaries.values():
            with suppress(OSError):
                temporary.unlink()
        for folder in () if self.written else reversed(self._made):
            with suppress(OSError):
                folder.rmdir()


def stage(git: Git, commit: str, operations: Sequence[Difference], folder: Path) -> Path:
    """Check out the new content of *operations* below *folder*, as git would: filters, line ends, modes.

    All that can fail for a reason of git's does so here, before anything is written. *commit* is the tree whose
    attributes count. GitError.
    """
    tree = folder / "tree"
    tree.mkdir()
    staging = git.using(work_tree=tree, index=folder / "staging-index")
    staging.call("read-tree", commit)
    wanted = {each.path: each.new for each in operations if each.new is not None}
    set_entries(staging, wanted)
    names = nul_separated(wanted)
    staging.call("checkout-index", "--force", "-z", "--stdin", stdin=names)
    return tree


def sweep(root: Path, operations: Sequence[Difference]) -> None:
    """Remove temporary files that an apply left in the project when it was killed."""
    for temporary in temporaries(root, operations):
        with suppress(OSError):
            if temporary.is_dir() and not temporary.is_symlink():
                temporary.rmdir()
            else:
                temporary.unlink()


def temporaries(root: Path, operations: Sequence[Difference]) -> list[Path]:
    """The temporary files that an apply left when it was killed; ask under the repository's lock.

    Nobody else makes any then but the steps of plans without a sandbox, and those lock theirs.
    """
    folders = sorted({(root / each.path).parent for each in operations})
    found = [claims.abandoned(folder, TEMPORARY_PATTERN, otherwise=lambda _: True) for folder in folders]
    return [path for some in found for path in some]


def remove_empty(root: Path, folders: Sequence[str]) -> None:
    """Remove those of *folders* that are empty, inner ones first."""
    for folder in sorted(folders, reverse=True):
        with suppress(OSError):
            (root / folder).rmdir()


def make_folder(folder: Path, permissions: Permissions | None) -> None:
    """Make a folder, at once with its *permissions* but writable as long as files are put into it."""
    if permissions is None:
        folder.mkdir()
        return
    temporary = temporary_beside(folder)
    temporary.mkdir(0o700)
    _give(temporary, replace(permissions, mode=_writable(permissions)))
    temporary.rename(folder)


def finish_folders(root: Path, folders: Mapping[str, Permissions]) -> None:
    """Make those of *folders* that are missing, and let nobody write where nobody could. OSError."""
    for path, permissions in sorted(folders.items()):
        if not os.path.lexists(root / path) and (root / path).parent.is_dir():
            make_folder(root / path, permissions)
    for path, permissions in sorted(folders.items(), reverse=True):
        place = root / path
        # Only what make_folder left so: whoever has changed a folder since meant it.
        if (
            place.is_dir()
            and stat.S_IMODE(place.lstat().st_mode) == _writable(permissions) != permissions.mode
        ):
            place.chmod(permissions.mode)


def _writable(permissions: Permissions) -> int:
    return permissions.mode | stat.S_IRWXU


def _give(place: Path, permissions: Permissions) -> None:
    with suppress(PermissionError):
        os.chown(place, permissions.owner, permissions.group)
    place.chmod(permissions.mode)  # after the owner, whose change takes bits away


def _copy_file(staged: Path, temporary: Path, permissions: Permissions | None) -> None:
    """Copy content. Nobody else can read it before it has its *permissions*, by default those of *staged*."""
    with staged.open("rb") as source, os.fdopen(os.open(temporary, _NEW_FILE, 0o600), "wb") as file:
        shutil.copyfileobj(source, file)
    if permissions is None:
        temporary.chmod(stat.S_IMODE(staged.stat().st_mode))
    else:
        _give(temporary, permissions)


def _remove_empty(folder: Path) -> None:
    """Remove a folder that holds nothing but folders."""
    for place, _, _ in os.walk(folder, topdown=False):
        Path(place).rmdir()
