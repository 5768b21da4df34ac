"""The configuration of a private git directory: what the project's says, but for what ties it to the project."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from agentsd.plans.repository import Repository

Setting = tuple[str, str | None]
"""A key as git prints it and its value; None for one that only stands there, which means true."""

_NOT_COPIED = re.compile(
    # where the repository is and how it is stored: ours is elsewhere and stored plainly
    r"core\.(bare|worktree|repositoryformatversion|sharedrepository|splitindex|untrackedcache)"
    r"|extensions\.(?!objectformat$|partialclone$).*"
    # what would act by itself: hooks, a daemon that watches files, housekeeping
    r"|core\.(hookspath|fsmonitor)|(gc|maintenance)\..*"
    # included files are read through: what they say is listed like the rest
    r"|(include|includeif)\..*"
)
_IDENTITY = re.compile(r"(user|gpg|commit|tag)\..*|core\.sshcommand")
_STANDARD_FILES = ("/.gitconfig", "/git/config")
_REMOTE_PLACE = re.compile(r"remote\..*\.(url|pushurl)")


def render(repository: Repository) -> bytes:
    """The whole file, for a git directory whose steps shall see the settings of *repository*."""
    copied = [_in_place(setting, repository.work_tree) for setting in _settings(repository)]
    extended = any(key.startswith("extensions.") for key, _ in copied)
    ours: list[Setting] = [
        ("core.repositoryformatversion", "1" if extended else "0"),
        ("core.bare", "false"),
        ("core.fsmonitor", "false"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
    ]
    return b"".join(_lines([*ours, *copied]))


def _settings(repository: Repository) -> Iterator[Setting]:
    """The settings to copy, in git's order: of two with one key, the last one counts."""
    listed = repository.git.bytes("config", "--list", "--show-scope", "--show-origin", "-z").split(b"\0")
    for scope, origin, pair in zip(listed[0::3], listed[1::3], listed[2::3], strict=False):
        key, separator, value = os.fsdecode(pair).partition("\n")
        if _is_copied(os.fsdecode(scope), os.fsdecode(origin), key):
            yield key, value if separator else None


def _is_copied(scope: str, origin: str, key: str) -> bool:
    """Whether the private directory needs a setting to be said again.

    The user's own files (scope ``global``) are read in a sandbox too, but not those that are included because of where
    the project is (``includeIf "gitdir:…"``). Without these, commits in a sandbox would have another author.
    """
    if scope == "global":
        return _IDENTITY.fullmatch(key) is not None and not origin.endswith(_STANDARD_FILES)
    return scope in {"local", "worktree"} and not _NOT_COPIED.fullmatch(key)


def _in_place(setting: Setting, work_tree: Path) -> Setting:
    """A remote that is given relative to the project, as seen from anywhere."""
    key, value = setting
    if not value or not _REMOTE_PLACE.fullmatch(key):
        return setting
    # `host:path`, `https://…` and `ext::…` have a colon before the first slash; a path of this machine has none.
    is_relative = not value.startswith("/") and ":" not in value.partition("/")[0]
    return (key, os.path.normpath(work_tree / value)) if is_relative else setting


def _lines(settings: Iterable[Setting]) -> Iterator[bytes]:
    for key, value in settings:
        section, _, rest = key.partition(".")
        subsection, _, name = rest.rpartition(".")
        heading = f'{section} "{_escaped(subsection)}"' if subsection else section
        yield os.fsencode(f"[{heading}]\n")
        yield os.fsencode(f"\t{name}\n" if value is None else f'\t{name} = "{_quoted(value)}"\n')


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(value: str) -> str:
    return _escaped(value).replace("\n", "\\n").replace("\t", "\\t").replace("\b", "\\b")
