"""Where the output goes nowhere, and what a name may do to a terminal."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest
from support.home import Home
from support.operator import AGENTS, Operator
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd.cli.output import pairs, printable, table


@pytest.mark.parametrize("words", ["--version", "job list", "job list --format json", "job show 000000"])
def test_a_closed_stdout_is_no_traceback(home: Home, words: str) -> None:
    """Started with `>&-`, as some supervisors of other people do."""
    done = subprocess.run(
        ["sh", "-c", f"{AGENTS} {words} >&-"], env=home.environ, capture_output=True, text=True, check=False
    )

    assert "Traceback" not in done.stderr
    assert done.returncode == (3 if "show" in words else 0)


def test_a_worker_with_all_streams_closed_runs_jobs(home: Home, operator: Operator) -> None:
    """Their numbers must not go to its sockets, nor be missing in its spawner."""
    job_id = operator.enqueue("noop")
    subprocess.run(
        ["sh", "-c", f"{AGENTS} worker start --drain <&- >&- 2>&-"], env=home.environ, timeout=60, check=True
    )

    assert operator.ask("job", "show", job_id).data["status"] == "succeeded"


@pytest.mark.parametrize("words", ["job list", "job list --format json"])
def test_a_full_device_is_one_line(home: Home, operator: Operator, words: str) -> None:
    """What cannot be written is said on stderr, with exit code 1."""
    operator.enqueue("noop")
    done = subprocess.run(
        ["sh", "-c", f"{AGENTS} {words} > /dev/full"],
        env=home.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "No space left" in done.stderr


def test_names_cannot_steer_the_terminal() -> None:
    """Control characters are shown, not obeyed; letters of all scripts stay as they are."""
    assert "a\\x1b[31mred\\nü" == printable("a\x1b[31mred\nü")
    assert "NAME\na\\nb" == "\n".join(table(["NAME"], [["a\nb"]]))
    assert ["name  a\\x07", "      b"] == list(pairs([("name", "a\x07\nb")]))


def test_a_full_disk_is_said_with_what_to_do(home: Home, operator: Operator) -> None:
    """Nothing was acknowledged, so nothing is lost."""
    operator.enqueue("noop")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        answer = operator.run("job", "enqueue", "noop")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert 1 == answer.exit_code
    assert "agents.db" in answer.stderr
    assert 1 == len(operator.ask("job", "list").data["jobs"])


def test_explaining_a_job_that_waits_for_a_stopping_worker(
    home: Home, operator: Operator, tmp_path: Path
) -> None:
    """It is said that no worker will take it."""
    home.set("async.max_workers", 1)
    supervisor = Supervisor(home).start()
    gate = tmp_path / "gate"
    running = operator.enqueue("gate", {"gate": str(gate)})
    eventually(lambda: operator.ask("job", "show", running).data["started_at"], 20, "it runs")
    supervisor.process.terminate()
    eventually(lambda: "stopping" in supervisor.said, 10, "the worker is stopping")
    waiting = operator.enqueue("noop")
    eventually(
        lambda: "Start another one" in operator.run("job", "explain", waiting).stdout, 20, "it is said"
    )
    gate.touch()

    assert supervisor.process.wait(20) == 0
