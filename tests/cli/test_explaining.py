"""``agents job explain``: what is being done to a job, what it left, and what can be done now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.patience import eventually
from support.supervisor import Supervisor


@pytest.fixture
def patient(home: Home) -> Iterator[Supervisor]:
    """A worker that gives jobs ten minutes to stop."""
    home.set("async.cancel_grace", 600)
    supervisor = Supervisor(home).start()
    yield supervisor
    supervisor.end()


def begin(agents: Agents, phase: str, payload: object = None) -> str:
    """A job that runs."""
    job = agents.enqueue(phase, payload)
    eventually(lambda: agents.ask("job", "show", job)["started_at"], 20, f"{phase} runs")
    return job


def test_a_job_that_is_being_cancelled(agents: Agents, patient: Supervisor, home: Home) -> None:
    """When it will be killed, and what is left of it; not what a cancel would do."""
    agents.set("async.cancel_grace", 600)
    entered = home.root / "entered"
    job = begin(agents, "ignore-term", {"entered": str(entered)})
    eventually(entered.exists, 10, "it ignores TERM")
    before = agents("job", "explain", job).out
    agents("job", "cancel", job)
    after = agents("job", "explain", job).out

    assert "A cancel would end its process:" in before
    assert "What has not ended after 10m (async.cancel_grace) is killed, in " in after
    assert "Its process is still there:" in after
    assert "A cancel would" not in after


def test_a_job_that_was_done_before_its_cancel_took_effect(
    agents: Agents, patient: Supervisor, home: Home
) -> None:
    """It was not cancelled, and nobody is said to have done that."""
    gate = home.root / "gate"
    job = begin(agents, "gate", {"gate": str(gate)})
    agents("job", "cancel", job, "--signal", "CONT")
    gate.touch()
    agents("job", "wait", job)

    assert "asked to cancel it, but it came to an end by itself." in agents("job", "explain", job).out
    assert "who cancelled it" not in agents("job", "explain", job).out


def test_an_end_that_is_not_written(agents: Agents, patient: Supervisor, home: Home) -> None:
    """The worker is stopped, or its disk is full: the job is called running, and is not."""
    gate = home.root / "gate"
    job = begin(agents, "gate", {"gate": str(gate)})
    assert "has yet to write how" not in agents("job", "explain", job).out
    patient.freeze()
    gate.touch()
    eventually(lambda: "has yet to write how" in agents("job", "explain", job).out, 20, "it is said")
    patient.thaw()
    agents("job", "wait", job)

    assert "has yet to write how" not in agents("job", "explain", job).out


def test_what_steps_left_behind(agents: Agents, project: Path) -> None:
    """Processes that outlive their step are ended with it, and told."""
    daemons = "(setsid sleep 600 >&- 2>&- &); (setsid sleep 600 >&- 2>&- &)"
    (project / "plan.yaml").write_text(
        f"name: p\nsteps:\n  - {{name: serve, run: '{daemons}'}}\n  - {{name: look, run: 'true'}}\n"
    )
    plan = agents("plan", "create", "plan.yaml").out.strip()
    job = agents("plan", "execute", plan).out.split()[0]

    said = agents("job", "explain", job).out
    assert "Step serve left 2 processes behind; they were ended with it." in said
    assert "Step look left" not in said


def test_what_a_handler_raised_cannot_steer_the_terminal(agents: Agents, worker: Supervisor) -> None:
    """Its line ends are kept where there is room for lines."""
    job = agents.enqueue("raise", {"message": "red \x1b[31m\nand more"})

    assert agents("job", "wait", job).out.endswith("ValueError: red \\x1b[31m\\nand more\n")
    assert "ValueError: red \\x1b[31m\nand more\n" in agents("job", "explain", job).out


def test_what_can_be_done_now(agents: Agents, worker: Supervisor) -> None:
    """A retry, until there is one; nothing for a job that succeeded."""
    failed, done = agents.enqueue("raise"), agents.enqueue("noop")
    agents("job", "wait", failed, done)
    hint = f"To run it again: agents job retry {failed}\n"

    assert agents("job", "explain", failed).out.endswith(hint)
    assert "To run it again" not in agents("job", "explain", done).out
    agents("job", "retry", failed)
    assert "To run it again" not in agents("job", "explain", failed).out


def test_what_can_be_done_with_a_plan_now(agents: Agents, project: Path) -> None:
    """Its status knows that."""
    (project / "plan.yaml").write_text("name: p\nsteps:\n  - {name: bad, run: 'false'}\n")
    plan = agents("plan", "create", "plan.yaml").out.strip()
    job = agents("plan", "execute", plan).out.split()[0]

    assert agents("job", "explain", job).out.endswith(f"What can be done now: agents plan status {plan}\n")
