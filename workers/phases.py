"""The phases that are installed: name -> ``module:attribute``, from the entry-point group ``agentsd.phases``.

Reads ``entry_points.txt`` of what is on ``sys.path`` itself: importlib.metadata takes 14 ms and 3 MB for it,
on every `agents job enqueue` and in every supervisor. The format is that of
https://packaging.python.org/en/latest/specifications/entry-points/.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator

GROUP = "agentsd.phases"
BUILT_IN = {"execute": "agentsd.workers.builtin:execute", "apply": "agentsd.workers.builtin:apply"}
_NOT_NOW = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def registered() -> dict[str, str]:
    """Every phase that is installed now. The built-in ones cannot be replaced.

    Raises OSError if that cannot be read now, for want of descriptors or memory.
    """
    found: dict[str, str] = {}
    for directory in reversed(sys.path):  # the first on the path wins, so it comes last
        for file in _entry_points(directory or "."):
            found.update(_phases_in(file))
    return found | BUILT_IN


def _entry_points(directory: str) -> Iterator[str]:
    """The text of every ``entry_points.txt`` of what is installed in *directory*."""
    try:
        names = os.listdir(directory)
    except OSError as error:  # not every entry of the path is there, or a directory
        if error.errno in _NOT_NOW:
            raise
        return
    for name in names:
        if name.endswith((".dist-info", ".egg-info")):
            try:
                with open(f"{directory}/{name}/entry_points.txt", encoding="utf-8") as file:  # noqa: PTH123 - a third of the time
                    yield file.read()
            except UnicodeDecodeError:  # what others have broken is not ours to read
                continue
            except OSError as error:  # most have none
                if error.errno in _NOT_NOW:
                    raise


def _phases_in(text: str) -> dict[str, str]:
    section, found = "", dict[str, str]()
    for line in text.splitlines():
        stripped = line.split("#")[0].strip()
        if stripped.startswith("["):
            section = stripped.strip("[]")
        elif section == GROUP and "=" in stripped:
            name, _, target = stripped.partition("=")
            found[name.strip()] = target.split("[")[0].strip()
    return found
