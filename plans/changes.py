"""What a plan changed: the difference of two snapshots, read from the object database.

Nothing here looks at the sandbox, so it works after the sandbox is gone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentsd.model import JSON
from agentsd.plans import conflicts
from agentsd.plans.git import Git, nul_separated, shown
from agentsd.plans.repository import open_repository

GITLINK = "160000"
"""The mode of an entry that is another repository's commit, not content."""
LINK = "120000"
"""The mode of a symbolic link."""
PLAIN_FILE = "100644"
EXECUTABLE = "100755"
_NULL_MODE = "000000"

_WORDS = {
    "A": "added",
    "C": "copied",
    "D": "deleted",
    "M": "modified",
    "R": "renamed",
    "T": "type changed",
}
_COUNTS = re.compile(rb"(\d+) (insertion|deletion)")
_FORMS = {
    "patch": ("--patch", "--binary", "--full-index"),
    "stat": ("--stat",),
    "names": ("--name-status",),
}
_PLAIN = ("--no-ext-diff", "--no-textconv")


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a path in a tree: git's octal mode and the object."""

    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One path that differs between two trees; None where it is not there."""

    path: str
    old: Entry | None
    new: Entry | None

    @property
    def is_gitlink(self) -> bool:
        """Whether a nested repository is on either side."""
        return any(entry is not None and entry.mode == GITLINK for entry in (self.old, self.new))


@dataclass(frozen=True, slots=True)
class FileChange:
    """One changed file as people see it: renames are found; *previous* is the old name of one."""

    path: str
    status: str
    previous: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object; bytes that are no text are escaped."""
        told = {"path": shown(self.path), "status": self.status}
        return told if self.previous is None else {**told, "previous": shown(self.previous)}


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """The files that differ between two commits, and how many lines."""

    files: tuple[FileChange, ...]
    insertions: int
    deletions: int


def between(git: Git, base: str, result: str) -> ChangeSet:
    """What changed from *base* to *result*."""
    fields = git.paths("diff-tree", "-r", "-z", "-M", "--name-status", base, result)
    counts = {"insertion": 0, "deletion": 0}
    counted = git.bytes("diff-tree", "-r", "-M", "--shortstat", *_PLAIN, base, result)
    counts.update({word.decode(): int(number) for number, word in _COUNTS.findall(counted)})
    return ChangeSet(tuple(_file_changes(iter(fields))), counts["insertion"], counts["deletion"])


def _file_changes(fields: Iterator[str]) -> Iterator[FileChange]:
    for letter in fields:
        word = _WORDS.get(letter[0], "modified")
        path = next(fields)
        if letter[0] in "RC":
            yield FileChange(next(fields), word, previous=path)
        else:
            yield FileChange(path, word)


def differences(git: Git, old: str, new: str, *pathspec: str) -> list[Difference]:
    """Every path whose entry differs between two trees; a rename is a deletion and an addition."""
    raw = git.paths("diff-tree", "-r", "-z", "--raw", "--no-renames", old, new, "--", *pathspec)
    return [_difference(line, path) for line, path in zip(raw[::2], raw[1::2], strict=True)]


def _difference(line: str, path: str) -> Difference:
    old_mode, new_mode, old_oid, new_oid, _ = line.removeprefix(":").split(" ")
    return Difference(path, _entry(old_mode, old_oid), _entry(new_mode, new_oid))


def _entry(mode: str, oid: str) -> Entry | None:
    return None if mode == _NULL_MODE else Entry(mode, oid)


def entries(git: Git, commit: str) -> dict[str, Entry]:
    """Every path of a commit's tree with what stands there."""
    listed: dict[str, Entry] = {}
    for line in git.paths("ls-tree", "-r", "-z", "--full-tree", commit):
        facts, _, path = line.partition("\t")
        mode, _, oid = facts.split(" ")
        listed[path] = Entry(mode, oid)
    return listed


def set_entries(git: Git, wanted: Mapping[str, Entry | None]) -> None:
    """Put *wanted* into the index of *git*, whatever is in the way there; None takes a path out."""
    gone = nul_separated(path for path, entry in wanted.items() if entry is None)
    if gone:
        git.call("update-index", "--force-remove", "-z", "--stdin", stdin=gone)
    lines = [
        f"{entry.mode} {entry.oid}\t".encode() + os.fsencode(path) + b"\0"
        for path, entry in wanted.items()
        if entry
    ]
    git.call("update-index", "--add", "--replace", "-z", "--index-info", stdin=b"".join(lines))


def outside(git: Git, base: str, result: str, places: Iterable[str]) -> list[str]:
    """The changed paths that no pattern of *places* covers; none if there are no patterns."""
    excluded = [f":(exclude,glob){place}" for place in places]
    if not excluded:
        return []
    return [difference.path for difference in differences(git, base, result, ".", *excluded)]


def diff_text(
    project: Path,
    base: str,
    result: str,
    *,
    state_root: Path,
    form: str = "patch",
    color: bool = False,
) -> bytes:
    """The change from *base* to *result*: as ``patch`` that ``git apply`` takes, ``stat`` or ``names``.

    SandboxError if the project is gone, GitError if the commits are.
    """
    flags = [*_FORMS[form], "-r", "-M", *_PLAIN, f"--color={'always' if color else 'never'}"]
    return open_repository(project, state_root).git.bytes("diff-tree", *flags, base, result)


def conflicts_outside(paths: Sequence[str]) -> list[tuple[str, str]]:
    """The conflicts that changes outside a plan's ``paths`` are."""
    return [(conflicts.OUTSIDE, shown(path)) for path in paths]
