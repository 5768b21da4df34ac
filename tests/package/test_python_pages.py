"""What the guides show in Python is run as it stands: a package with a phase, a client, tests of a handler."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.home import Home
from support.operator import AGENTS
from support.pages import Shell, blocks, follow

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


@pytest.fixture
def site(home: Home) -> Path:
    """A folder with the package of the page, as an installation leaves it, where the programs of *home* find it."""
    made = home.root / "site"
    for block in blocks(GUIDES / "own_phases.md"):
        if block.file_name is not None:
            (made / block.file_name).parent.mkdir(exist_ok=True)
            (made / block.file_name).write_text(block.body)
    points = tomllib.loads((made / "pyproject.toml").read_text())["project"]["entry-points"]
    metadata = made / "my_phases-1.dist-info"
    metadata.mkdir()
    lines = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in each.items())
        for group, each in points.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    home.environ["PYTHONPATH"] = str(made)
    home.environ["PATH"] = f"{AGENTS.parent}{os.pathsep}{home.environ['PATH']}"
    return made


@pytest.fixture
def shell(home: Home, site: Path) -> Iterator[Shell]:
    """A terminal in that folder."""
    made = Shell(site, home.environ)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gzip") is None, reason="gzip is not installed")
def test_a_phase_of_ones_own_works_as_written(shell: Shell) -> None:
    """Its payloads, its ends, and a program that is the worker itself."""
    followed = [block for block in blocks(GUIDES / "own_phases.md") if block.language == "console"]
    for block in followed:
        follow(shell, block)

    assert len(followed) == 3


def test_the_client_does_what_is_shown(home: Home, site: Path) -> None:
    """Every line after a prompt, with what it prints."""
    page = home.root / "page.txt"
    page.write_text(
        "\n".join(block.body for block in blocks(GUIDES / "python.md") if block.language == "pycon")
    )
    assert page.read_text().count(">>> ") > 15
    program = [sys.executable, "-m", "doctest", "-o", "ELLIPSIS", str(page)]
    done = subprocess.run(program, cwd=site, env=home.environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gzip") is None, reason="gzip is not installed")
def test_the_tests_that_are_shown_pass(home: Home, site: Path) -> None:
    """By pytest, in a folder of their own."""
    (block,) = [block for block in blocks(GUIDES / "python.md") if block.language == "python"]
    assert block.file_name == "test_phases.py" or "`test_phases.py`:" in block.before
    (site / "test_phases.py").write_text(block.body)
    program = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_phases.py"]
    done = subprocess.run(program, cwd=site, env=home.environ, capture_output=True, text=True, check=False)

    assert re.search(r"^5 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr
