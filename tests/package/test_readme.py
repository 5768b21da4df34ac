"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.home import Home
from support.operator import AGENTS
from support.pages import Shell, blocks, follow
from support.supervisor import Supervisor

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def shell(home: Home) -> Iterator[Shell]:
    """A terminal in a git repository."""
    home.environ["PATH"] = f"{AGENTS.parent}{os.pathsep}{home.environ['PATH']}"
    (home.root / "project").mkdir()
    made = Shell(home.root / "project", home.environ)
    made.type("git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m Begin")
    yield made
    made.close()


@pytest.mark.slow
def test_the_first_plan_of_the_readme_works_as_written(home: Home, shell: Shell) -> None:
    """In the foreground, and beside a worker."""
    (plan,) = [block for block in blocks(README) if block.language == "yaml"]
    foreground, background = [block for block in blocks(README) if "the tests follow" in block.before]
    (home.root / "project" / "plan.yaml").write_text(plan.body)

    follow(shell, foreground)
    supervisor = Supervisor(home).start()
    try:
        follow(shell, background)
    finally:
        supervisor.stop()


def test_every_file_that_the_readme_names_is_there() -> None:
    """Its links and its folders."""
    text = README.read_text()
    linked = [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if not link.startswith("http")]
    folders = re.findall(r"`(\w+/)`", text)

    assert len(linked) > 5
    assert [name for name in (*linked, *folders) if not (README.parent / name).exists()] == []
