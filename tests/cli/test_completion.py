"""What a shell is offered, and what a mistyped id is answered with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS

from agentsd.store.glance import MOST, glance


def offered(home: Home, *words: str, shell: str = "fish") -> dict[str, str]:
    """What ``agents WORDS`` may go on with: values and their descriptions."""
    line = " ".join(("agents", *words))
    answer = subprocess.run(
        [AGENTS],
        env={
            **home.environ,
            "_AGENTS_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": words[-1],
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stderr == ""
    lines = [text.removeprefix("plain,") for text in answer.stdout.splitlines() if text]
    return {value: words for value, _, words in (line.partition("\t") for line in lines)}


def test_ids_of_jobs_are_offered_with_what_they_are(agents: Agents, home: Home) -> None:
    """By their beginning or their end; a command is offered those that it can do something with."""
    queued, ended = agents.enqueue("noop"), agents.enqueue("echo")
    agents("job", "cancel", ended)

    assert set(offered(home, "job", "show", "01")) == {queued, ended}
    (words,) = offered(home, "job", "show", queued[-6:]).values()
    assert words.startswith("noop, queued, ")
    assert set(offered(home, "job", "cancel", "01")) == {queued}
    assert set(offered(home, "job", "retry", "01")) == {ended}
    assert set(offered(home, "job", "enqueue", "noop", "--after", "01")) == {queued, ended}
    assert offered(home, "job", "show", "%") == {}


def test_plans_workers_phases_and_keys_are_offered(agents: Agents, home: Home, project: object) -> None:
    """Each where it belongs."""
    plan = agents("plan", "create", "plan.yaml").out.strip()

    assert offered(home, "plan", "execute", "01")[plan].startswith("write-a-version, draft, ")
    assert offered(home, "plan", "apply", "01") == {}
    assert set(offered(home, "job", "list", "--plan", "01")) == {plan}
    assert "noop" in offered(home, "job", "enqueue", "no")
    assert set(offered(home, "config", "get", "sandbox.")) == {"sandbox.base", "sandbox.cleanup"}
    assert offered(home, "worker", "stop", "01") == {}
    assert offered(home, "job", "enqueue", "noop", "--key", "async") == {}


def test_the_commands_that_help_is_asked_for_are_offered(home: Home) -> None:
    """Level by level, each with its line in the help."""
    assert offered(home, "help", "jo") == {"job": "Look at jobs and steer them."}
    assert offered(home, "help", "job", "ex") == {"explain": "Say in words what became of a job, and why."}
    assert offered(home, "help", "job", "explain", "e") == {}
    assert offered(home, "help", "nothing", "e") == {}


def test_completing_makes_nothing(home: Home) -> None:
    """No state directory and no store, and an error of any kind is silence."""
    place = home.state.root  # asking for it makes it
    shutil.rmtree(place)
    assert offered(home, "job", "show", "01") == {}
    assert not place.exists()
    place.mkdir(mode=0o700)
    (place / "agents.db").write_text("this is no database")
    assert offered(home, "job", "show", "01") == {}
    home.environ["AGENTS_STATE_DIR"] = "relative"
    assert offered(home, "job", "show", "01") == {}


def test_completing_loads_no_peewee(home: Home, agents: Agents) -> None:
    """Somebody waits for a key press."""
    agents.enqueue("noop")
    script = (
        "import sys\nfrom agentsd.cli.main import run\n"
        "try:\n    run([])\nexcept SystemExit:\n    print(*sys.modules, file=sys.stderr)"
    )
    environ = {
        **home.environ,
        "_AGENTS_COMPLETE": "fish_complete",
        "COMP_WORDS": "agents job show 01",
        "COMP_CWORD": "01",
    }
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )

    assert "noop" in ended.stdout
    assert set(ended.stderr.split()) & {"peewee", "psutil", "rich", "yaml", "agentsd.store.database"} == set()


def test_only_so_many_are_offered(agents: Agents, home: Home) -> None:
    """The newest."""
    said = agents("job", "enqueue", "noop", "--from-jsonl", "-", stdin="{}\n" * (MOST + 5))
    ids = [each.ident for each in glance(home.state.database, "job", "")]

    assert ids == said.out.split()[: -MOST - 1 : -1]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_script_works_in_bash(agents: Agents, home: Home) -> None:
    """The function that it defines fills COMPREPLY with the id."""
    job = agents.enqueue("noop")
    script = agents("completion", "bash").out
    ask = f'COMP_WORDS=(agents job show {job[:10]}); COMP_CWORD=3; _agents_completion agents; echo "${{COMPREPLY[*]}}"'
    environ = {**os.environ, **home.environ, "PATH": f"{AGENTS.parent}:{os.environ['PATH']}"}
    answer = subprocess.run(
        ["bash", "-c", f"{script}\n{ask}"], env=environ, capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == job


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_the_script_works_in_fish(agents: Agents, home: Home, tmp_path: Path) -> None:
    """Ids come with all that is said of them, commas and all."""
    job = agents.enqueue("noop")
    script = tmp_path / "agents.fish"
    script.write_text(agents("completion", "fish").out)
    environ = {**os.environ, **home.environ, "PATH": f"{AGENTS.parent}:{os.environ['PATH']}"}
    answer = subprocess.run(
        ["fish", "--no-config", "-c", f"source {script}; complete -C 'agents job show 01'"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )

    ident, _, words = answer.stdout.strip().partition("\t")
    assert (ident, words.startswith("noop, queued, ")) == (job, True)


IN_ZSH = r"""
compdef() { :; }
_describe() { print -rl -- "${completions_with_descriptions[@]}"; }
compadd() { print -rl -- "${completions[@]}"; }
eval "$SCRIPT"
words=(agents job show 01); CURRENT=4
_agents_completion
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_the_script_works_in_zsh(agents: Agents, home: Home) -> None:
    """What it gives to the functions that zsh has only while it completes."""
    job = agents.enqueue("noop")
    environ = {**os.environ, **home.environ, "PATH": f"{AGENTS.parent}:{os.environ['PATH']}"}
    environ["SCRIPT"] = agents("completion", "zsh").out
    answer = subprocess.run(
        ["zsh", "-f", "-c", IN_ZSH], env=environ, capture_output=True, text=True, check=True
    )

    assert answer.stdout.startswith(f"{job}:noop, queued, "), answer


# -- ids that are wrong -----------------------------------------------------------------------------


def test_a_mistyped_id_is_answered_with_the_near_one(agents: Agents) -> None:
    """If there is one that is nearer than all others."""
    job = agents.enqueue("noop")
    agents.enqueue("noop")
    wrong = job[:-3] + ("0" if job[-3] != "0" else "1") + job[-2:]

    for ident in (wrong, wrong[-12:]):
        said = agents("job", "show", ident)
        assert (said.code, f"Did you mean {job}?" in said.err) == (3, True)
    assert "`agents job list` shows what there is." in agents("job", "show", "ZZZZZZZZ").err


def test_an_id_of_another_kind_is_recognised(agents: Agents, project: object) -> None:
    """Plans and jobs look alike."""
    plan, job = agents("plan", "create", "plan.yaml").out.strip(), agents.enqueue("noop")

    assert f"It is a plan: {plan}." in agents("job", "show", plan[-8:]).err
    assert f"It is a job: {job}." in agents("plan", "show", job).err
