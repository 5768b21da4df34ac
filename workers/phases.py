"""The phases that are installed: name -> ``module:attribute``, from the entry-point group ``agentsd.phases``.

Reads ``entry_points.txt`` of what is on ``sys.path`` itself: importlib.metadata takes 14 ms and 3 MB for it,
on every `agents job enqueue` and in every supervisor. The format is that of
https://packaging.python.org/en/latest/specifications/entry-points/.
"""

from __future__ import annotations

import sys
from pathlib import Path

GROUP = "agentsd.phases"
BUILT_IN = {"execute": "agentsd.workers.builtin:execute", "apply": "agentsd.workers.builtin:apply"}


def registered() -> dict[str, str]:
    """Every phase that is installed now. The built-in ones cannot be replaced."""
    found: dict[str, str] = {}
    for directory in reversed(sys.path):  # the first on the path wins, so it comes last
        for metadata in ("*.dist-info", "*.egg-info"):
            for file in Path(directory or ".").glob(f"{metadata}/entry_points.txt"):
                found.update(_phases_in(file.read_text(encoding="utf-8")))
    return found | BUILT_IN


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
