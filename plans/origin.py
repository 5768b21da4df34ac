"""The file that a plan was made from, looked at again later."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

SAME, CHANGED, GONE = "same", "changed", "gone"


def compare(source_path: str, sha256: str) -> str:
    """How the file is now: ``same``, ``changed`` or ``gone``. It changes nothing for the plan."""
    path = Path(source_path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return CHANGED
        return SAME if hashlib.sha256(path.read_bytes()).hexdigest() == sha256 else CHANGED
    except OSError:
        return GONE
