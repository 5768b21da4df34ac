"""The manual pages: made from the commands, complete, and understood by `man`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = sorted((PROJECT / "man").glob("*.1"))


def test_the_pages_are_what_the_commands_say(tmp_path: Path) -> None:
    """They are written by a program; here they are written again."""
    program = [sys.executable, str(PROJECT / "docs" / "generate_man.py"), str(tmp_path)]
    subprocess.run(program, check=True)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        path.name: path.read_text() for path in PAGES
    }


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_man_shows_them_without_a_warning(page: Path) -> None:
    """On a terminal of 80 columns."""
    environ = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}
    shown = subprocess.run(
        ["man", "--warnings", "-l", str(page)], env=environ, capture_output=True, text=True, check=False
    )
    if "man pages have been excluded" in shown.stdout + shown.stderr:
        pytest.skip("this system has a man that shows nothing")

    assert shown.stderr == ""
    assert "SEE ALSO" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) < 120
