"""How long a plan may still take: said where earlier runs of the same steps tell, and nowhere else."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.supervisor import Supervisor
from support.terminal import Terminal

from agentsd.cli.plan.estimate import expected_seconds
from agentsd.cli.progress import describe_steps, remaining_words
from agentsd.model import JSON
from agentsd.store import plans

SLOW = 'name: slow\nsteps:\n  - run: "true"\n  - {{name: wait, run: "until [ -e {go} ]; do sleep 0.05; done"}}\n  - {{run: "false", if: failure()}}\n'


def running(seconds: float) -> dict[str, JSON]:
    """A step that has been running for so long."""
    begun = datetime.now(UTC) - timedelta(seconds=seconds)
    return {"name": "long", "state": "running", "started_at": begun.isoformat().replace("+00:00", "Z")}


@pytest.mark.parametrize(
    ("states", "expected", "words"),
    [
        (["succeeded", "waiting"], [1.0, 61.0], "about 1m 01s left"),
        (["failed", "waiting"], [1.0, 61.0], ""),
        (["skipped", "waiting"], [None, 5.0], "about 5 s left"),
        (["waiting", "waiting"], [5.0, None], ""),
        (["waiting"], [0.4], ""),
        (["waiting"], [], ""),
        (["succeeded"], [5.0], ""),
    ],
)
def test_what_is_left_is_said_if_every_step_is_known(
    states: list[str], expected: list[float | None], words: str
) -> None:
    """A failed plan skips what is left, and a step that is new could take any time."""
    assert remaining_words([{"state": state} for state in states], expected) == words


def test_a_step_that_runs_counts_with_what_is_left_of_it() -> None:
    """And with nothing when it takes longer than ever."""
    assert remaining_words([running(60)], [3660.4]) == "about 1h left"
    assert remaining_words([running(60), {"state": "waiting"}], [20.0, 7.0]) == "about 7 s left"
    assert remaining_words([running(60)], [20.0]) == ""
    assert (
        remaining_words([{"state": "failed", "continued": True}, {"state": "waiting"}], [1.0, 7.0])
        == "about 7 s left"
    )
    assert describe_steps([running(60), {"name": "next", "state": "waiting"}]) == ">long 1m   next"


def test_the_same_steps_tell_also_in_an_earlier_plan(agents: Agents, project: Path) -> None:
    """What is not the same, or of another file, tells nothing."""
    (project / "other.yaml").write_text(
        "name: a\nsteps:\n  - run: sleep 0.2\n  - run: 'true'\n  - {run: x, if: failure()}\n"
    )
    first = agents("plan", "create", "other.yaml").out.strip()
    agents("plan", "execute", first)
    (project / "other.yaml").write_text("name: b\nsteps:\n  - run: sleep 0.2\n  - run: echo new\n")
    second = agents("plan", "create", "other.yaml").out.strip()
    (project / "stranger.yaml").write_text("name: b\nsteps:\n  - run: sleep 0.2\n")
    third = agents("plan", "create", "stranger.yaml").out.strip()

    with agents.home.connect() as client:
        known = [expected_seconds(client, plans.get(client.db, plan)) for plan in (first, second, third)]

    (long, short, never), (again, new), (foreign,) = known
    assert long is not None and long >= 0.2 and short is not None
    assert (never, again, new, foreign) == (0.0, long, None, None)


def test_a_run_in_the_foreground_shows_a_clock_and_what_is_left(
    home: Home, agents: Agents, project: Path
) -> None:
    """The clock goes on while nothing else happens; at the first run nobody knows how long it takes."""
    go = project.parent / "go"
    (project / "other.yaml").write_text(SLOW.format(go=go))
    plan = agents("plan", "create", "other.yaml").out.strip()
    seen: list[str] = []
    for _ in range(2):
        go.unlink(missing_ok=True)
        terminal = Terminal([str(AGENTS), "plan", "execute", plan], home.environ, project)
        terminal.wait_for_text(">wait 3 s", 30)
        go.touch()
        assert terminal.wait(30) == 0
        seen.append(re.sub(r"\x1b\[[0-9;]*[mK]", "", terminal.screen))

    assert "left" not in seen[0]
    assert re.search(r"1/3 steps  [0-9.]+ s  about [0-9.]+ s left  \+Run true  >wait [0-9]+ s", seen[1])


def test_who_waits_sees_what_is_left_and_of_how_many(
    home: Home, agents: Agents, project: Path, worker: Supervisor
) -> None:
    """As in a run in the foreground; of several jobs, which one it is."""
    go = project.parent / "go"
    (project / "other.yaml").write_text(SLOW.format(go=go))
    plan = agents("plan", "create", "other.yaml").out.strip()
    jobs: list[str] = []
    seen: list[str] = []
    for _ in range(2):
        go.unlink(missing_ok=True)
        jobs.append(agents("job", "enqueue", "execute", "--plan", plan).out.strip())
        terminal = Terminal([str(AGENTS), "job", "wait", *jobs], home.environ, project)
        terminal.wait_for_text(">wait 3 s", 30)
        go.touch()
        assert terminal.wait(30) == 0
        seen.append(terminal.screen)

    assert re.search(rf"2/2  …{jobs[1][-8:]} running  1/3 steps  [0-9.]+ s  about [0-9.]+ s left", seen[1])
