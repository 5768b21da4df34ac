"""Steering jobs and workers from the command line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import orjson
import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd.errors import InvalidInputError


def enqueue(agents: Agents, phase: str, *options: str) -> str:
    """Queue a job and return its id."""
    return agents("job", "enqueue", phase, *options, "--format", "json").data["job_id"]


def state(agents: Agents, job_id: str) -> tuple[str, str | None]:
    """The status and the reason of a job."""
    job = agents("job", "show", job_id, "--format", "json").data
    return job["status"], job["reason"]


def test_a_held_job_starts_when_it_is_released(agents: Agents, worker: Supervisor) -> None:
    """Until then the list and the explanation say who holds it."""
    held = enqueue(agents, "noop", "--hold")
    agents("job", "wait", enqueue(agents, "noop"))
    assert state(agents, held) == ("queued", None)
    assert "held" in agents("job", "list").out
    assert "queued (held)" in agents("job", "show", held).out
    explained = agents("job", "explain", held).out
    assert "has held it" in explained
    assert f"agents job release {held}" in explained

    assert agents("job", "release", held).out == f"{held} released\n"

    assert agents("job", "wait", held).code == 0
    refused = agents("job", "hold", held)
    assert refused.code == 4
    assert f"Job {held} is succeeded: only a queued job can be held." in refused.err


def test_a_job_after_another_waits_for_its_success(agents: Agents, worker: Supervisor) -> None:
    """And starts at once when it comes; a failure ends it, too, with a sentence that says why."""
    first = enqueue(agents, "sleep", "--payload", '{"seconds": 0.3}')
    second = enqueue(agents, "noop", "--after", first)
    assert agents("job", "wait", second).code == 0
    assert state(agents, first) == ("succeeded", "completed")

    bad = enqueue(agents, "raise", "--hold")
    never = enqueue(agents, "noop", "--after", bad)
    assert f"after {bad}" in agents("job", "list").out
    assert f"It starts when job {bad} has succeeded, which is queued." in agents("job", "explain", never).out
    agents("job", "release", bad)

    assert agents("job", "wait", never).code == 130
    assert state(agents, never) == ("cancelled", "dependency_failed")
    assert f"It was to start after job {bad}, which ended failed." in agents("job", "explain", never).out
    refused = agents("job", "enqueue", "noop", "--after", bad)
    assert refused.code == 4
    assert "would never start" in refused.err
    assert agents("job", "enqueue", "noop", "--after", "01ABCDEFGH").code == 3


def test_a_key_queues_once(agents: Agents) -> None:
    """The second time the first job is shown, and that nothing was queued."""
    first = agents("job", "enqueue", "noop", "--key", "nightly", "--format", "json")
    second = agents("job", "enqueue", "noop", "--key", "nightly", "--format", "json")

    assert first.data == {"job_id": first.data["job_id"], "status": "queued", "created": True}
    assert second.data == {**first.data, "created": False}
    assert "has the key 'nightly'" in second.envelope["messages"][0]["text"]
    assert len(agents("job", "list", "--format", "json").data["jobs"]) == 1


def test_a_higher_priority_starts_first(agents: Agents, home: Home) -> None:
    """Whatever came first."""
    first, second = enqueue(agents, "noop"), enqueue(agents, "noop")
    assert agents("job", "set-priority", "7", second).out == f"{second} has priority 7\n"
    home.set("async.max_workers", 1)
    agents_run = Supervisor(home, "--drain").launch()
    assert agents_run.process.wait(60) == 0

    started = {
        each: agents("job", "show", each, "--format", "json").data["started_at"] for each in (first, second)
    }
    assert started[second] < started[first]


def test_a_list_has_priorities_where_there_are_some(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest of all still fits a terminal of 80 columns, which names each job; programs always get them."""
    first = enqueue(agents, "noop")
    after = enqueue(agents, "noop", "--after", first)
    assert "PRIO" not in agents("job", "list").out
    assert [job["priority"] for job in agents.ask("job", "list")["jobs"]] == [0, 0]
    agents("job", "set-priority", "--", str(-(2**31)), after)

    heading, *rows = agents("job", "list").out.splitlines()
    place = heading.index("PRIO") + len("PRIO")
    assert [row[:place].split()[-1] for row in rows] == [str(-(2**31)), "0"]
    assert [job["priority"] for job in agents.ask("job", "list")["jobs"]] == [-(2**31), 0]
    items = agents("job", "list", "--format", "jsonl").out.splitlines()
    assert [orjson.loads(line)["priority"] for line in items] == [-(2**31), 0]
    assert "PRIO" not in agents("job", "list", "--status", "running").out
    monkeypatch.setenv("COLUMNS", "80")
    narrow = agents("job", "list").out.splitlines()
    assert "PRIO" in narrow[0]
    assert max(map(len, narrow)) <= 80
    assert [row.split()[0].removeprefix("…")[-8:] for row in narrow[1:]] == [after[-8:], first[-8:]]


def test_a_priority_below_zero_is_no_option(agents: Agents) -> None:
    """With two dashes before it or without; what is an option of no command is still refused."""
    job = enqueue(agents, "noop")
    assert agents("job", "set-priority", "-15", job).out == f"{job} has priority -15\n"
    assert agents("job", "set-priority", "--", "-5", job).out == f"{job} has priority -5\n"
    assert agents("job", "set-priority", "--format", "json", "-4", job).code == 0
    assert agents("job", "set-priority", "--fast", job).code == 2


def test_jobs_are_cancelled_by_what_they_are(agents: Agents, worker: Supervisor) -> None:
    """A dry run lists them with their processes and changes nothing."""
    running = enqueue(agents, "tree")
    eventually(lambda: agents.ask("job", "show", running)["progress"], 20, "all of the tree runs")
    waiting = [enqueue(agents, "noop", "--hold") for _ in range(2)]

    listed = agents("job", "cancel", "--all", "--dry-run", "--format", "json").data["jobs"]

    assert [job["job_id"] for job in listed] == [*reversed(waiting), running]
    assert listed[-1]["processes"][0] == listed[-1]["pid"]
    assert len(listed[-1]["processes"]) > 1
    assert listed[0]["processes"] == []
    dry = agents("job", "cancel", "--status", "running", "--dry-run")
    assert "PROCESSES" in dry.out
    assert dry.err == f"A cancel would end 1 job and {len(listed[-1]['processes'])} processes.\n"
    assert state(agents, running)[0] == "running"

    cancelled = agents("job", "cancel", "--phase", "noop", "--format", "json")
    assert cancelled.code == 0
    assert {job["job_id"] for job in cancelled.data["jobs"]} == set(waiting)
    assert cancelled.envelope["messages"] == [{"level": "info", "text": "2 jobs: 2 cancelled."}]
    ended = agents("job", "cancel", "--all", "--wait")
    assert (ended.code, ended.err) == (0, "1 job: 1 cancelled.\n")
    assert state(agents, running) == ("cancelled", "cancelled")
    nothing = agents("job", "cancel", "--all")
    assert (nothing.code, nothing.err) == (0, "There are no such jobs.\n")
    assert "no such jobs" in agents("job", "cancel", "--all", "--dry-run").err


@pytest.mark.parametrize("words", [(), ("01JABCDE", "--all"), ("01JABCDE", "--status", "queued")])
def test_a_cancel_is_of_named_jobs_or_of_chosen_ones(agents: Agents, words: tuple[str, ...]) -> None:
    """Never of both, and never of nothing."""
    said = agents("job", "cancel", *words)

    assert said.code == 2
    assert "Expected either JOBs or one of --status" in said.err


def test_of_several_the_ones_that_cannot_be_steered_are_named(agents: Agents) -> None:
    """The others are steered all the same."""
    gone, there = enqueue(agents, "noop"), enqueue(agents, "noop")
    agents("job", "cancel", gone)

    said = agents("job", "hold", gone, there)

    assert said.code == 4
    assert said.out == f"{there} held\n"
    assert f"Job {gone} is cancelled" in said.err
    assert "2 jobs: 1 cancelled, 1 not cancelled." in agents("job", "cancel", gone, there).err


def test_a_drained_worker_ends_when_its_last_job_has(agents: Agents, worker: Supervisor) -> None:
    """However long that takes; what comes meanwhile waits for another worker."""
    running = enqueue(agents, "sleep", "--payload", '{"seconds": 600}')
    eventually(lambda: state(agents, running)[0] == "running", 20, "the job runs")

    assert "take no more jobs" in agents("worker", "drain").out
    eventually(lambda: "draining" in agents("worker", "list").out, 20, "the worker says that it drains")
    late = enqueue(agents, "noop")
    assert state(agents, running)[0] == "running"
    agents("job", "cancel", running, "--wait")

    assert worker.process.wait(20) == 0
    assert state(agents, late) == ("queued", None)
    assert agents("worker", "drain").code == 4


def test_a_worker_reads_its_configuration_again(agents: Agents, worker: Supervisor) -> None:
    """Without a restart."""
    assert "worker reload" in agents("config", "set", "async.max_workers", "9").err

    assert "read its configuration again" in agents("worker", "reload").out

    eventually(lambda: "/9" in agents("worker", "list").out, 20, "nine slots")


def test_what_steers_workers_means_nothing_to_a_foreground_run(
    agents: Agents, home: Home, project: Path, tmp_path: Path
) -> None:
    """It runs its one job, and a drain or a reload ends nothing."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (project / "plan.yaml").write_text(f"name: wait\nsteps:\n  - run: read line < {gate}\n")
    plan = agents("plan", "create", "plan.yaml").out.strip()
    running = subprocess.Popen([AGENTS, "plan", "execute", plan], env=home.environ, stdout=subprocess.DEVNULL)
    with gate.open("w") as file:  # opens when the step reads
        assert agents("worker", "drain").code == 0
        assert agents("worker", "reload").code == 0
        assert "executing" in agents("plan", "status", plan).out
        file.write("go on\n")

    assert running.wait(60) == 0


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 10**20])
def test_a_priority_out_of_range_is_refused(agents: Agents, home: Home, number: int) -> None:
    """By each way in, with the range; nothing is queued."""
    told = agents("job", "enqueue", "noop", f"--priority={number}")

    assert (told.code, "expected -2147483648 to 2147483647" in told.err) == (2, True)
    with home.connect() as client:
        assert client.list() == []
        job = client.enqueue("noop")
        with pytest.raises(InvalidInputError, match="priority: expected -2147483648 to 2147483647"):
            client.set_priority(job.job_id, number)


def test_what_is_nested_as_deeply_as_can_be_is_shown(agents: Agents, home: Home) -> None:
    """The envelope around it makes it deeper than orjson writes."""
    with home.connect() as client:
        job = client.enqueue("noop", payload=orjson.loads("[" * 253 + "]" * 253))

    shown = agents("job", "show", job.job_id, "--format", "json").data
    assert str(shown["payload"]).count("[") == 253
