"""What ``agents plan`` says of an apply that is no ordinary one, and of how far a run is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.agents import Agents

from agentsd.cli.output import columns_of

COLUMNS = 80


def make(agents: Agents, project: Path, text: str) -> str:
    """Create a plan of *text* and return its id."""
    (project / "other.yaml").write_text(text)
    return agents("plan", "create", "other.yaml").out.strip()


def test_edits_in_a_sandbox_are_named_with_the_way_out(agents: Agents, project: Path) -> None:
    """Exit 4, the files, and what to do; with --as-captured the sandbox stays and is said."""
    plan = make(agents, project, "name: x\nsteps:\n  - run: echo made > made\n")
    agents("plan", "execute", plan)
    sandbox = Path(agents.ask("plan", "diff", plan)["sandbox"])
    (sandbox / "made").write_text("corrected\n")

    for words in (("apply",), ("apply", "--check")):
        said = agents("plan", *words, plan)
        assert said.code == 4, said
        assert "edited in the sandbox since its capture: made" in said.err
        assert f"agents plan apply --as-captured {plan}" in said.err
        assert "by hand: commit what you have" not in said.err
    assert not (project / "made").exists()

    assert agents("plan", "apply", "--check", "--as-captured", plan).code == 0
    assert agents("plan", "apply", "--as-captured", plan).code == 0
    assert (project / "made").read_text() == "made\n"
    assert (sandbox / "made").read_text() == "corrected\n"
    assert agents("cleanup").code == 1
    assert agents("plan", "discard", plan).code == 0
    assert not sandbox.exists()


def test_what_git_does_not_keep_is_said_before_and_after(agents: Agents, project: Path) -> None:
    """An apply that drops the outputs of a notebook says so, and a revert brings them back."""
    for words in (("config", "filter.strip.clean", "grep -v ^out"), ("add", ".")):
        subprocess.run(("git", *words), cwd=project, check=True)
    (project / ".gitattributes").write_text("*.nb filter=strip\n")
    (project / "a.nb").write_text("in\nout\n")
    plan = make(agents, project, "name: x\nsteps:\n  - run: echo more >> a.nb\n")
    agents("plan", "execute", plan)

    words = "Git keeps less than stood there (a filter, line ends): a.nb. A revert brings it back."
    assert words in agents("plan", "apply", "--check", plan).out
    assert words in agents("plan", "apply", plan).err
    assert (project / "a.nb").read_text() == "in\nmore\n"

    assert agents("plan", "revert", plan).code == 0
    assert (project / "a.nb").read_text() == "in\nout\n"


@pytest.mark.parametrize("steps", ["true", "exit 1"])
def test_what_comes_next_fits_the_screen(agents: Agents, project: Path, steps: str) -> None:
    """Each command is on a line of its own, whole, so that it can be copied."""
    plan = make(agents, project, f"name: x\nsteps:\n  - run: touch made; {steps}\n")
    for act in ("", "execute", "apply", "revert"):
        if act:
            agents("plan", act, plan)
        lines = agents("plan", "status", plan).out.splitlines()
        [first] = [number for number, line in enumerate(lines) if line.startswith("Next: agents plan ")]
        assert all(line.startswith("      agents plan ") for line in lines[first + 1 :])
        assert all(columns_of(line) <= COLUMNS for line in lines[first:])
