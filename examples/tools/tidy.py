"""What ``tidy.yml`` does."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def run(suffixes: Sequence[str]) -> str:
    """Tidy every file below the working directory that git knows and that ends like one of *suffixes*."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    files = [Path(name) for name in listed.split("\0") if name.endswith(tuple(suffixes))]
    changed = [file for file in files if file.is_file() and not file.is_symlink() and _tidy(file)]
    for file in changed:
        print(file)
    return f"{len(changed)} of {len(files)} files tidied"


def _tidy(file: Path) -> bool:
    """Rewrite one file without trailing blanks, with one line end at its end; whether that changed it."""
    before = file.read_bytes()
    lines = [line.rstrip() for line in before.splitlines()]
    after = b"\n".join(lines).rstrip() + b"\n" if before.strip() else b""
    if after != before:
        file.write_bytes(after)
    return after != before
