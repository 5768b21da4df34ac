"""A copy of the tree, and running checks in it on the code of the copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from guards.guard import MATRIX

PROJECT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".nox", ".venv", "__pycache__", "*.egg-info", "build", "dist", "site", ".coverage*", "robot-results",
    ".hypothesis", ".pytest_cache", ".ruff_cache", "results",
)  # fmt: skip
LONGEST = 300.0
"""Seconds that one check may take; a check that hangs has noticed something."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended."""

    check: str
    red: bool
    seconds: float
    output: str


class Tree:
    """The copy."""

    def __init__(self, root: Path) -> None:
        self.root = root / "tree"
        shutil.copytree(PROJECT, self.root, symlinks=True, ignore=LEFT_OUT)
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
            "PYTHONPATH": os.pathsep.join(str(self.root / each) for each in ("src", "features", ".")),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AGENTSD_MACHINE_QUICK": "1",
            "AGENTSD_MACHINE_EXAMPLES": "60",
        }
        self._prove_that_the_copy_is_what_runs()

    def _prove_that_the_copy_is_what_runs(self) -> None:
        """An installed agentsd may be in the way: then every guard would seem to hold, whatever is removed."""
        code = "import agentsd.store.claims as claims; print(claims.__file__)"
        told = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env=self._environ,
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        if not Path(told.stdout.strip()).is_relative_to(self.root):
            raise RuntimeError(f"The checks would run {told.stdout.strip()}, not the copy in {self.root}.")

    def run(self, check: str) -> Outcome:
        """Run one check."""
        command = [sys.executable, *_words(check)]
        started = time.monotonic()
        try:
            ended = subprocess.run(
                command,
                env=self._environ,
                cwd=self.root,
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
            )
            code, output = ended.returncode, ended.stdout + ended.stderr
        except subprocess.TimeoutExpired:
            code, output = 1, f"did not end within {LONGEST:g} s"
        # 2 interrupted or no such cells, 3 internal error, 4 usage, 5 nothing collected
        if code not in (0, 1):
            raise RuntimeError(f"{check} could not be run (exit {code}):\n{output}")
        return Outcome(check, red=code == 1, seconds=time.monotonic() - started, output=output)


def _words(check: str) -> list[str]:
    """What runs a check: a test of pytest, or cells of the crash matrix."""
    if check.startswith(MATRIX):
        return ["-m", "crash_matrix", "--only", check.removeprefix(MATRIX)]
    return ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", check]
