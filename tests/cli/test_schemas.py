"""What programs get is what the documentation says: every command once, held against its JSON Schema."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.schemas import SCHEMA, problems_of
from support.supervisor import Supervisor

from agentsd.cli.framework import LazyGroup
from agentsd.cli.main import cli

DOCUMENT = json.loads(SCHEMA.read_text())
DESCRIBED = {rule["if"]["properties"]["command"]["const"] for rule in DOCUMENT["allOf"]}
RAW = {"completion", "help", "top"}
"""Commands that print nothing for programs: a script for a shell, help, and a screen."""


def commands(group: LazyGroup = cli, words: tuple[str, ...] = ()) -> Iterator[str]:
    """The words of every command."""
    for name in group.entries:
        command = group.get_command(click.Context(group), name)
        if isinstance(command, LazyGroup):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name))


@pytest.mark.parametrize(
    ("program", "page"),
    [("generate_schemas.py", "agents.schema.json"), ("generate_json_page.py", "json.md")],
)
def test_the_schema_is_what_its_source_says(program: str, page: str) -> None:
    """The file and the page are printed by programs; here they are printed again."""
    docs = SCHEMA.parents[1]
    printed = subprocess.run(
        [sys.executable, str(docs / program)], capture_output=True, text=True, check=True
    ).stdout

    assert printed == (docs / "reference" / page).read_text()


def test_every_command_is_described() -> None:
    """None is forgotten, and none is described that is not there."""
    assert set(commands()) - RAW == DESCRIBED


def play(agents: Agents, project: Path) -> Iterator[tuple[str, ...]]:
    """The words of every command that can be run while a worker runs, in an order in which each works."""
    yield ("plan", "create", "plan.yaml")
    plan = agents.ask("plan", "list")["plans"][0]["plan_id"]
    yield ("plan", "create", "--check", "plan.yaml")
    yield from (
        ("plan", word, plan) for word in ("status", "show", "execute", "diff", "logs", "status", "show")
    )
    yield ("plan", "apply", "--check", plan)
    yield from (("plan", word, plan) for word in ("apply", "revert", "discard"))
    yield ("plan", "list")
    (project / "plan.yaml").write_text("name: fail\nsteps:\n  - run: exit 1\n")
    yield from (("plan", "schema"), ("plan", "schema", "--path"))
    failing = agents.ask("plan", "create", "plan.yaml")["plan_id"]
    agents("plan", "execute", failing)
    yield ("plan", "retry", failing)
    first, second = (agents.ask("job", "enqueue", "noop", "--hold")["job_id"] for _ in range(2))
    yield from (("job", "set-priority", "3", first), ("job", "set-priority", "3", first, second))
    yield from (("job", "hold", first), ("job", "cancel", "--all", "--dry-run"), ("job", "list", "--full"))
    yield from (("job", "release", first), ("job", "release", first, second), ("job", "wait", first, second))
    yield from (("job", word, first) for word in ("show", "explain", "logs", "wait", "retry"))
    yield from (("job", "enqueue", "echo", "--payload", "[1]"), ("job", "list"))
    held = agents.ask("job", "enqueue", "noop", "--hold")["job_id"]
    yield ("job", "cancel", held)
    agents("job", "enqueue", "noop", "--hold")
    yield ("job", "cancel", "--phase", "noop", "--status", "queued")
    yield ("job", "prune", "--older-than", "1 d")
    yield from (("worker", "check"), ("worker", "unit"), ("worker", "list", "--all"))
    yield from (("diagnostics",), ("metrics",), ("cleanup",), ("demo",))
    key = "async.max_workers"
    yield from (
        ("config", "set", key, "2"),
        ("config", "get", key),
        ("config", "list"),
        ("config", "unset", key),
    )
    yield from (("config", "path"), ("config", "check"))
    queue_running_plan(agents, project)
    yield ("plan", "cancel", agents.ask("plan", "list")["plans"][0]["plan_id"])
    yield from (("worker", "reload"), ("worker", "drain"))


def queue_running_plan(agents: Agents, project: Path) -> None:
    """A plan that waits in the queue or runs."""
    (project / "plan.yaml").write_text("name: long\nsteps:\n  - run: sleep 600\n")
    plan = agents.ask("plan", "create", "plan.yaml")["plan_id"]
    agents.set("async.enabled", "true")
    agents("plan", "execute", plan)


def test_every_command_prints_what_its_schema_says(
    agents: Agents, project: Path, home: Home, worker: Supervisor
) -> None:
    """In the envelope, with data; the driver of commands has checked each against the schema."""
    seen: set[str] = set()
    for words in play(agents, project):
        envelope = agents(*words, "--format", "json").envelope
        assert envelope["data"] is not None, envelope
        seen.add(envelope["command"])
    assert worker.process.wait(30) == 0
    ended = subprocess.run(
        [AGENTS, "worker", "start", "--drain", "--format", "json", "--log-level", "error"],
        env=home.environ,
        capture_output=True,
        check=True,
    )
    started = json.loads(ended.stdout)
    assert problems_of(started) == []
    stopping = Supervisor(home).start()
    seen |= {started["command"], agents("worker", "stop", "--format", "json").envelope["command"]}
    assert stopping.process.wait(30) == 0

    assert seen == DESCRIBED


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("", "exit_code", 7),
        ("", "data", None),
        ("", "timing", {}),
        ("", "more", 1),
        ("data", "path", 1),
        ("data", "more", 1),
        ("data", "exists", None),
    ],
)
def test_what_differs_is_found(agents: Agents, where: str, name: str, value: object) -> None:
    """A check that cannot fail would be none."""
    envelope = agents("config", "path", "--format", "json").envelope
    assert problems_of(envelope) == []
    (envelope[where] if where else envelope)[name] = value

    assert problems_of(envelope) != []
