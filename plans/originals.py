"""What an apply replaces, kept byte for byte.

A snapshot holds what git makes of a file. A clean filter may have dropped half of it, line ends of two kinds have become
one, and of its permissions only the executable bit is left. So an apply keeps what it is going to replace as it
lies there, and a revert puts that back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agentsd.errors import GitError, ProjectWriteError
from agentsd.plans import roundtrip, snapshot, standing
from agentsd.plans.changes import LINK, PLAIN_FILE, Difference, Entry, set_entries
from agentsd.plans.git import Git, shown
from agentsd.plans.standing import Permissions

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Original:
    """What stood at a path. *blob* has its bytes; empty for a link, of which git keeps everything anyway."""

    permissions: Permissions
    blob: str


def keep(git: Git, operations: Sequence[Difference]) -> dict[str, Original]:
    """Store what stands where *operations* are going to write, by path; nothing for what is not there. GitError."""
    root = git.work_tree or git.cwd
    found = {each.path: standing.permissions(root, each.path) for each in operations}
    there = {path: permissions for path, permissions in found.items() if permissions}
    files = [path for path in there if not (root / path).is_symlink()]
    blobs = blobs_of(git, root, files, store=True)
    return {path: Original(permissions, blobs.get(path, "")) for path, permissions in there.items()}


def blobs_of(git: Git, root: Path, paths: Sequence[str], *, store: bool = False) -> dict[str, str]:
    """The object that each file below *root* is, byte for byte; *store* puts it into the repository. GitError."""
    if not paths:
        return {}
    words = ["hash-object", "--no-filters", "--stdin-paths", *(["-w"] if store else [])]
    listing = b"".join(_quoted(path) for path in paths)
    oids = git.using(work_tree=root).text(*words, stdin=listing).split("\n")
    return dict(zip(paths, oids, strict=True))


def commit(git: Git, originals: Mapping[str, Original], before: str | None, folder: Path) -> str | None:
    """A commit from which the bytes of *originals* can be reached, and those of the commit *before*."""
    blobs = {path: each.blob for path, each in originals.items() if each.blob}
    if not blobs:
        return before
    private = git.using(index=folder / "originals-index")
    set_entries(private, {path: Entry(PLAIN_FILE, oid) for path, oid in blobs.items()})
    tree = private.text("write-tree")
    return snapshot.commit(
        git, tree, [before] if before else [], "agentsd: what an apply replaced, as it lay there"
    )


def put(git: Git, originals: Mapping[str, Original], root: Path, folder: Path) -> None:
    """Write the bytes of *originals* below *root*; *folder* is scratch. GitError, ProjectWriteError."""
    blobs = {path: each.blob for path, each in originals.items() if each.blob}
    with (folder / "originals").open("w+b") as batch:
        listing = "".join(f"{oid}\n" for oid in blobs.values()).encode()
        git.call("cat-file", "--batch", stdin=listing, output=batch)
        batch.seek(0)
        for path, oid in blobs.items():
            try:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                with (root / path).open("xb") as file:
                    _copy_one(batch, oid, file)
            except OSError as error:
                problem = error.strerror or str(error)
                raise ProjectWriteError(shown(path), problem, written=0, total=len(blobs)) from error


def unkept(
    git: Git, before: str, operations: Sequence[Difference], originals: Mapping[str, Original], folder: Path
) -> list[str]:
    """The files of which more stands in the project than git would write for the commit *before*.

    That is what an apply takes away beyond the change that the plan made: only a revert can bring it back.
    """
    wanted = {
        each.path: each.old.oid
        for each in operations
        if each.old and each.old.mode != LINK and each.path in originals
        if originals[each.path].blob not in ("", each.old.oid)
    }
    if not wanted:
        return []
    pristine = folder / "before-index"
    git.using(index=pristine).call("read-tree", before)
    return sorted(wanted.keys() - roundtrip.untouched(git, pristine, wanted, folder))


def moved(operations: Sequence[Difference], originals: Mapping[str, Original]) -> dict[str, Permissions]:
    """The permissions of files that a plan has only renamed: a private file stays private under its new name."""
    gone = {each.old: each.path for each in operations if each.new is None and each.path in originals}
    return {
        each.path: originals[gone[each.new]].permissions
        for each in operations
        if each.old is None and each.new in gone and each.new and each.new.mode != LINK
    }


def _copy_one(batch: IO[bytes], oid: str, target: IO[bytes]) -> None:
    """Copy the next object of *batch*: a line with its size, its bytes, a line end."""
    words = batch.readline().split()
    if words[1:2] != [b"blob"]:
        raise GitError(["cat-file", oid], 0, "what an apply replaced is not in the repository any more")
    left = int(words[2])
    while left:
        part = batch.read(min(left, _CHUNK))
        target.write(part)
        left -= len(part)
    batch.read(1)


def _quoted(path: str) -> bytes:
    """A line that names *path*, as C would quote it: a name may have line ends in it."""
    return b'"' + b"".join(b"\\%03o" % byte for byte in os.fsencode(path)) + b'"\n'
