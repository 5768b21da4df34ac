"""The screens in the documentation are captured by a program, which works."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_the_screens_can_be_captured_again(tmp_path: Path) -> None:
    """Of the same commands, none wider than the terminal; ids and times differ."""
    page = tmp_path / "screens.md"
    program = [sys.executable, str(DOCS / "capture_screens.py"), str(page)]
    subprocess.run(program, check=True, timeout=110)
    text = page.read_text()

    def commands(of: str) -> list[str]:
        return [re.sub("[0-9A-Z]{26}", "ID", line) for line in re.findall(r"^\$ (.*)$", of, re.MULTILINE)]

    assert commands(text) == commands((DOCS / "guides" / "screens.md").read_text())
    assert "failed (step_failed)" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("$ ")) <= 80
