"""A job's output files when it ends: the last lines for its history."""

from __future__ import annotations

import os
from pathlib import Path

TAIL_BYTES = 2000
"""Bytes of output that the event of a job's end keeps."""


def last_lines(log_dir: Path) -> str:
    """The end of the file that was written last; empty if there is no output. Never fails."""
    try:
        files = [
            entry for entry in os.scandir(log_dir) if entry.name.endswith(".log") and entry.stat().st_size
        ]
        if not files:
            return ""
        newest = max(files, key=lambda entry: entry.stat().st_mtime_ns)
        with Path(newest.path).open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    # A tail that begins inside a line begins with its rest; the whole lines say more.
    return text if size <= TAIL_BYTES or "\n" not in text[:-1] else text.split("\n", 1)[1]
