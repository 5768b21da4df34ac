"""Waiting for what does not come by itself: whoever waits is told why, and what to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor
from support.terminal import Terminal

from agentsd.cli.job import attendance
from agentsd.cli.worker.health import abandoned


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "No worker is running, so job {0} waits."),
        (("--hold",), "`agents job release {0}` lets it start"),
    ],
)
def test_a_job_that_nobody_will_start(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: str
) -> None:
    """It is said once, although the wait, and the looking, go on."""
    monkeypatch.setattr(attendance, "EVERY", 0.0)
    job = agents("job", "enqueue", "noop", *options).out.strip()
    said = agents("job", "wait", job, "--timeout", "1.5")

    assert said.code == 124
    assert said.err.count(words.format(job)) == 1


def test_a_job_whose_worker_is_dead(agents: Agents, home: Home) -> None:
    """Until the next worker starts, its row says that it runs."""
    supervisor = Supervisor(home).start()
    job = agents.enqueue("sleep", {"seconds": 600})
    eventually(lambda: agents.ask("job", "show", job)["started_at"], 20, "it runs")
    assert "is gone" not in agents("job", "wait", job, "--timeout", "0.1").err
    supervisor.kill()

    assert f"The worker of job {job} is gone." in agents("job", "wait", job, "--timeout", "0.1").err
    agents("job", "cancel", job)
    assert "Warning" not in agents("job", "wait", job).err


def test_whoever_looks_at_a_job_is_told_that_its_worker_is_dead(
    agents: Agents, home: Home, project: Path
) -> None:
    """By every command that shows the job; a worker that is only stopped is not dead, and its job is not alone."""
    agents.set("async.enabled", "true")
    (project / "plan.yaml").write_text("name: long\nsteps:\n  - run: sleep 600\n")
    plan = agents("plan", "create", "plan.yaml").out.strip()
    supervisor = Supervisor(home).start()
    try:
        job = agents("plan", "execute", plan).out.strip()
        looks = {
            ("job", "list"): "running  worker is dead",
            ("job", "show", job): "running (worker is dead)",
            ("job", "explain", job): "That worker is gone.",
            ("plan", "status", plan): ", worker is dead",
            ("job", "wait", job, "--timeout", "0.1"): f"The worker of job {job} is gone.",
        }

        def told() -> list[bool]:
            said = {look: agents(*look) for look in looks}
            return [words in said[look].out + said[look].err for look, words in looks.items()]

        eventually(lambda: agents.ask("job", "show", job)["started_at"], 20, "it runs")
        assert told() == [False] * 5
        supervisor.freeze()
        assert told() == [False] * 5
    finally:
        supervisor.kill()

    assert told() == [True] * 5
    agents("job", "cancel", job)
    assert told() == [False] * 5


def test_a_job_that_ended_with_its_worker_is_not_abandoned(agents: Agents, home: Home) -> None:
    """Its row was read while it ran; when its worker was looked at, both had ended as they should."""
    home.set("async.shutdown_grace", 0)
    supervisor = Supervisor(home).start()
    job = agents.enqueue("sleep", {"seconds": 600})
    eventually(lambda: agents.ask("job", "show", job)["started_at"], 20, "it runs")
    with home.connect() as client:
        read = client.get(job)
        assert supervisor.stop() == 0

        assert abandoned(client, [read]) == set()


@pytest.mark.parametrize("number", [1, 2])
def test_following_a_job_that_nobody_will_start(agents: Agents, home: Home, number: int) -> None:
    """Of one job and of several; it ends with them."""
    jobs = [agents.enqueue("noop") for _ in range(number)]
    command = [AGENTS, "job", "logs", "-f", *jobs]
    follower = subprocess.Popen(command, env=home.environ, stderr=subprocess.PIPE, text=True)
    assert follower.stderr is not None
    said = [follower.stderr.readline() for _ in jobs]
    agents("job", "cancel", "--all")

    assert follower.wait(20) == 0
    assert [f"so job {job} waits" in line for job, line in zip(jobs, said, strict=True)] == [True] * number
    follower.stderr.close()


def test_control_c_ends_the_wait_and_not_the_job(agents: Agents, home: Home, worker: Supervisor) -> None:
    """Which is said, as Ctrl-C in the foreground means the other thing."""
    job = agents.enqueue("sleep", {"seconds": 600})
    terminal = Terminal([str(AGENTS), "job", "wait", job], home.environ, home.root)
    try:
        terminal.wait_for_text("running", 20)
        terminal.press_control_c()
        assert terminal.wait(15) == 130
        assert f"Job {job} goes on" in terminal.screen
    finally:
        terminal.end()
    assert agents.ask("job", "show", job)["status"] == "running"
