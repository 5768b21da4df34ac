"""Waiting for what does not come by itself: whoever waits is told why, and what to do."""

from __future__ import annotations

import subprocess

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor
from support.terminal import Terminal

from agentsd.cli.job import attendance


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
