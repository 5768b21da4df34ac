"""What ``bump_version.yml`` does."""

from __future__ import annotations

import re
from pathlib import Path

PLACES = {
    Path("setup.cfg"): "version = {}",
    Path("src/agentsd/__init__.py"): '__version__ = "{}"',
}
"""Every file that names the version, and how it does."""


def bump(part: str) -> str:
    """Raise the *part* (major, minor or patch) of the version in every place. ValueError if one is not as expected."""
    old = re.search(r"^version = (\d+\.\d+\.\d+)$", Path("setup.cfg").read_text(), re.MULTILINE)
    if old is None:
        raise ValueError("setup.cfg names no version like 1.2.3")
    new = raised(old[1], part)
    for path, form in PLACES.items():
        _replace(path, form.format(old[1]), form.format(new))
    return f"{old[1]} -> {new}"


def raised(version: str, part: str) -> str:
    """*version* with one part raised and the parts after it set to 0."""
    names = ["major", "minor", "patch"]
    numbers = [int(number) for number in version.split(".")]
    position = names.index(part)
    return ".".join(map(str, [*numbers[:position], numbers[position] + 1, *[0] * (2 - position)]))


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if text.count(old) != 1:
        raise ValueError(f"{path} should have {old!r} once")
    path.write_text(text.replace(old, new))
