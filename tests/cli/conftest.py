"""The command line in this process, a worker beside it, and a project to work on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.supervisor import Supervisor
from support.terminal import Terminal


@pytest.fixture
def agents(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Agents:
    """The command line, in this process."""
    return Agents(home, monkeypatch, capsys)


@pytest.fixture
def worker(home: Home) -> Iterator[Supervisor]:
    """A worker that takes jobs; stopped at the end."""
    home.set("async.cancel_grace", 1)
    home.set("async.shutdown_grace", 0)
    supervisor = Supervisor(home).start()
    yield supervisor
    try:
        supervisor.stop()
    finally:
        supervisor.end()


@pytest.fixture
def terminal(home: Home) -> Iterator[list[Terminal]]:
    """Terminals that are closed at the end."""
    opened: list[Terminal] = []
    yield opened
    for each in opened:
        each.end()


PLAN = """\
name: write-a-version
description: Writes a file.
steps:
  - name: version
    write: {path: VERSION, content: "2.0\\n"}
  - {name: look, run: "cat VERSION; git status --short"}
  - {name: think, python: "json:dumps", with: {obj: 1}}
"""


@pytest.fixture
def project(home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small git project with a plan in it, which is the current directory."""
    folder = home.root / "project"
    folder.mkdir()
    (folder / "plan.yaml").write_text(PLAN)
    (folder / "VERSION").write_text("1.0\n")
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    for words in (("init", "-q", "-b", "main"), ("add", "."), (*who, "commit", "-q", "-m", "Begin")):
        subprocess.run(("git", *words), cwd=folder, env=home.environ, check=True)
    monkeypatch.chdir(folder)
    return folder
