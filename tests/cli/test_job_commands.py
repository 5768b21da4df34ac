"""``agents job``, without a worker and with one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor
from support.world import World

from agentsd.cli.job import list as job_list
from agentsd.cli.job.explain import MEANINGS
from agentsd.model import Reason
from agentsd.store.logs import log_files


def wait_until(agents: Agents, job_id: str, status: str) -> None:
    """Wait until a job has a status."""

    def has_it() -> bool:
        with agents.home.connect() as client:
            return client.get(job_id).status == status

    eventually(has_it, 10, f"{job_id} is {status}")


# -- without a worker -------------------------------------------------------------------------------


def test_enqueue_prints_the_id_and_warns_without_a_worker(agents: Agents) -> None:
    """The id alone on stdout, the warning on stderr, in every format."""
    said = agents("job", "enqueue", "noop")

    assert len(said.out.strip()) == 26
    assert "No worker is running" in said.err
    answer = agents("job", "enqueue", "noop", "--format", "json")
    assert answer.data["status"] == "queued"
    assert "No worker is running" in answer.err
    assert answer.envelope["messages"][0]["level"] == "warning"


@pytest.mark.parametrize(("option", "stdin"), [('{"a": 1}', ""), ("@FILE", ""), ("-", '{"a": 1}')])
def test_a_payload_comes_from_the_line_a_file_or_stdin(
    agents: Agents, tmp_path: Path, option: str, stdin: str
) -> None:
    """And is kept as it is."""
    (tmp_path / "payload.json").write_text('{"a": 1}')
    option = option.replace("FILE", str(tmp_path / "payload.json"))
    said = agents(
        "job", "enqueue", "echo", "--payload", option, "--timeout", "5 m", "--priority", "3", stdin=stdin
    )
    job = agents.ask("job", "show", said.out.strip())

    assert (job["payload"], job["timeout"], job["priority"]) == ({"a": 1}, 300.0, 3)


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("nope",), 2, "expected one of apply"),
        (("noop", "--payload", "{"), 2, "--payload: expected JSON"),
        (("noop", "--payload", "@/nowhere"), 2, "/nowhere: expected a file with JSON, got 'No such file"),
        (("noop", "--payload", "-"), 2, "stdin: expected JSON"),
        (("noop", "--timeout", "0"), 2, "expected seconds above 0"),
        (("noop", "--plan", "0" * 26), 3, "There is no plan"),
        (("execute",), 2, "expected the id of a plan (--plan)"),
    ],
)
def test_what_cannot_be_enqueued_is_refused(
    agents: Agents, words: tuple[str, ...], code: int, hint: str
) -> None:
    """And nothing is queued."""
    said = agents("job", "enqueue", *words)

    assert said.code == code
    assert hint in said.err
    assert agents.ask("job", "list")["jobs"] == []


def test_lists_are_newest_first_and_filtered(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is cut, and says so; a program gets all."""
    assert "There are no such jobs." in agents("job", "list").err
    ids = [agents.enqueue("noop") for _ in range(3)]
    monkeypatch.setattr(job_list, "SHOWN", 2)
    said = agents("job", "list")

    assert [line.split()[0] for line in said.out.splitlines()] == ["JOB", ids[2], ids[1]]
    assert "The newest 2 are shown" in said.err
    assert len(agents("job", "list", "--limit", "0").out.splitlines()) == 4
    data = agents.ask("job", "list")
    assert [job["job_id"] for job in data["jobs"]] == ids[::-1]
    assert data["summary"] == {"queued": 3, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0}
    assert len(agents.ask("job", "list", "--limit", "1")["jobs"]) == 1
    assert agents.ask("job", "list", "--status", "failed", "--status", "running")["jobs"] == []
    assert agents("job", "list", "--plan", ids[0]).code == 3
    lines = agents("job", "list", "--format", "jsonl").out.splitlines()
    assert [json.loads(line)["job_id"] for line in lines] == ids[::-1]


def test_ids_may_be_shortened_at_either_end(agents: Agents) -> None:
    """Six characters or more; fewer, none and several fits are told apart."""
    job = agents.enqueue("noop")

    for ident in (job, job[-6:], job[-10:].lower()):
        assert agents.ask("job", "show", ident)["job_id"] == job
    assert agents("job", "show", job[-5:]).code == 2
    assert agents("job", "show", "ZZZZZZ").code == 3
    agents.enqueue("noop")
    said = agents("job", "show", job[:6])
    assert said.code == 2
    assert "fits several jobs" in said.err


def test_a_queued_job_is_explained(agents: Agents, home: Home) -> None:
    """What it waits for: any worker, or a newer one."""
    job = agents.enqueue("noop")
    world = World.__new__(World)
    world.home, world.jobs = home, []
    world.insert_job_from_newer_version()

    assert "no worker is running" in agents("job", "explain", job).out
    assert "waits for a newer worker" in agents("job", "explain", world.jobs[0]).out
    assert "explanation" in agents.ask("job", "explain", job)


def test_a_queued_job_is_cancelled_at_once(agents: Agents) -> None:
    """Who, when and why are kept; a second cancel is a conflict."""
    job = agents.enqueue("noop")
    said = agents("job", "cancel", job, "--reason", "not needed")

    assert said.out == f"{job} cancelled (cancelled_before_start)\n"
    shown = agents("job", "show", job).out
    assert "not needed" in shown
    assert "Somebody cancelled it before it began" in agents("job", "explain", job).out
    again = agents("job", "cancel", job)
    assert (again.code, "cancelled" in again.err) == (4, True)
    assert agents("job", "wait", job).code == 130
    assert agents("job", "cancel", job, "--signal", "NOPE").code in (2, 4)


def test_of_several_cancels_the_worst_counts(agents: Agents) -> None:
    """What can be cancelled is; what cannot is said."""
    ended, queued = agents.enqueue("noop"), agents.enqueue("noop")
    agents("job", "cancel", ended)
    said = agents("job", "cancel", ended, queued, "--wait", "--format", "json")

    assert said.code == 4
    assert [job["job_id"] for job in said.envelope["data"]["jobs"]] == [queued]
    assert ended in said.envelope["messages"][0]["text"]
    assert agents("job", "cancel", queued, "ZZZZZZ").code == 3


def test_waiting_gives_up_after_its_own_limit(agents: Agents) -> None:
    """With 124; the job goes on."""
    said = agents("job", "wait", agents.enqueue("noop"), "--timeout", "0.05")

    assert said.code == 124
    assert "did not end within" in said.err


def test_a_retry_is_a_new_job_and_only_of_what_has_ended(agents: Agents) -> None:
    """It names the one it follows."""
    job = agents.enqueue("noop")
    assert agents("job", "retry", job).code == 4
    agents("job", "cancel", job)
    new = agents.ask("job", "retry", job)

    assert new["status"] == "queued"
    shown = agents.ask("job", "show", new["job_id"])
    assert (shown["retry_of"], shown["attempt"]) == (job, 2)
    assert f"follows job {job}" in agents("job", "explain", new["job_id"]).out
    assert f"Job {new['job_id']} followed it" in agents("job", "explain", job).out
    assert f"retry of {job}" in agents("job", "show", new["job_id"]).out
    agents("job", "cancel", new["job_id"])
    assert len(agents("job", "retry", job).out.strip()) == 26


def test_of_retries_at_once_one_is_queued(agents: Agents, home: Home) -> None:
    """Whoever comes later is told which one, with the code of a conflict."""
    job = agents.enqueue("noop")
    agents("job", "cancel", job)
    words = [AGENTS, "job", "retry", job]
    started = [
        subprocess.Popen(words, env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [(*each.communicate(timeout=60), each.returncode) for each in started]

    (new,) = [row["job_id"] for row in agents.ask("job", "list")["jobs"] if row["retry_of"] == job]
    refused = f"Error: Job {job} is tried again already: job {new} is queued.\n"
    assert sorted((code, out) for out, _, code in said) == [(0, f"{new}\n"), *[(4, "")] * 3]
    assert [err for _, err, code in said if code] == [refused] * 3


def test_pruning_deletes_what_ended_long_ago(agents: Agents) -> None:
    """A dry run only says what would go."""
    job = agents.enqueue("noop")
    agents("job", "cancel", job)

    assert agents.ask("job", "prune")["jobs"] == 0
    dry = agents("job", "prune", "--older-than", "0", "--dry-run")
    assert dry.out == f"{job}\n1 job would be deleted\n"
    assert agents("job", "prune", "--older-than", "0").out == "1 job deleted\n"
    assert agents("job", "show", job).code == 3


def test_the_logs_of_a_job_that_wrote_nothing(agents: Agents) -> None:
    """Are said to be none."""
    job = agents.enqueue("noop")

    assert "There is no output." in agents("job", "logs", job).err
    assert agents.ask("job", "logs", job)["files"] == []
    assert agents("job", "logs", "ZZZZZZ").code == 3


def test_every_reason_has_a_meaning() -> None:
    """`job explain` never meets one without words."""
    assert set(MEANINGS) == set(Reason)


# -- with a worker ----------------------------------------------------------------------------------


def test_a_job_from_its_start_to_its_end(agents: Agents, worker: Supervisor) -> None:
    """Its result, its use, its history and its output are shown."""
    job = agents.enqueue("chatty", {"lines": 3, "width": 12})
    waited = agents("job", "wait", job)
    shown = agents.ask("job", "show", job)

    assert (waited.code, waited.out.startswith(f"{job} succeeded (completed) after ")) == (0, True)
    assert (shown["result"], shown["status"], shown["reason"]) == (3, "succeeded", "completed")
    assert shown["usage"]["max_rss_bytes"] > 0
    assert [event["to"] for event in shown["events"]] == ["queued", "running", "succeeded"]
    assert set(shown["events"][0]) >= {"at", "from", "to", "reason", "by", "detail"}
    text = agents("job", "show", job).out
    assert "00000002" in text
    assert "Result" in text
    assert "It did its work." in agents("job", "explain", job).out
    assert agents("job", "logs", job).out.splitlines() == [
        "00000000 xxx",
        "00000001 xxx",
        "00000002 xxx",
        "that was all",
    ]
    assert agents("job", "logs", job, "--tail", "1").out == "that was all\n"
    assert agents("job", "logs", job, "--step", "job", "--tail", "1").out == "that was all\n"
    assert agents("job", "logs", job, "--step", "nope").code == 2
    files = agents.ask("job", "logs", job)["files"]
    assert [file["file"] for file in files] == ["job.log"]
    one, two = agents.ask("job", "wait", job), agents.ask("job", "wait", job, job)
    assert (one["job_id"], len(two["jobs"])) == (job, 2)
    lost = agents("job", "cancel", job)
    assert (lost.code, "succeeded" in lost.err) == (4, True)


def test_the_exit_code_of_waiting_is_that_of_the_job(agents: Agents, worker: Supervisor) -> None:
    """1 failed, 124 timed out, 130 cancelled; of several the worst."""
    failed, slow = (
        agents.enqueue("raise"),
        agents("job", "enqueue", "cooperative", "--timeout", "0.1", "--payload", "{}").out.strip(),
    )

    assert agents("job", "wait", failed).code == 1
    assert agents("job", "wait", slow).code == 124
    assert agents("job", "wait", failed, slow).code == 124
    explained = agents("job", "explain", slow).out
    assert "longer than" in explained
    assert "To end it: TERM at" in explained


def test_following_the_output_ends_with_the_job(agents: Agents, worker: Supervisor, home: Home) -> None:
    """Every format shows the same words."""
    gate, entered = home.root / "gate", home.root / "entered"
    job = agents.enqueue("gate", {"gate": str(gate), "entered": str(entered)})
    eventually(entered.exists, 10, "the job runs")
    path = home.state.job_logs(job) / "01-step.log"
    path.write_text("early\n")
    gate.touch()

    assert "early" in agents("job", "logs", "-f", job).out
    assert "early" in agents("job", "logs", "-f", job, "--step", "step", "--tail", "1").out
    lines = agents("job", "logs", "-f", job, "--format", "jsonl").out.splitlines()
    assert {"file": "01-step.log", "text": "early\n"} in [json.loads(line) for line in lines]
    assert agents("job", "logs", "-f", job, "--format", "json").envelope["data"]["job_id"] == job
    (log_files(home.state.job_logs(job))[0].with_name("02-more.log")).write_text("late\n")
    assert "==> 02-more <==\nlate\n" in agents("job", "logs", job).out


def test_a_running_job_is_explained_and_cancelled(agents: Agents, worker: Supervisor) -> None:
    """With all its processes; the command waits if it is asked to."""
    job = agents.enqueue("tree", {"seconds": 60})
    wait_until(agents, job, "running")
    eventually(lambda: "progress" in agents("job", "show", job).out, 10, "the job has its processes")

    assert "It has been running for" in agents("job", "explain", job).out
    assert "process" in agents("job", "show", job).out
    said = agents("job", "cancel", job, "--reason", "wrong branch", "--wait")
    assert (said.code, said.out) == (0, f"{job} cancelled (cancelled)\n")
    assert "wrong branch" in agents("job", "explain", job).out
    assert "asked to cancel" not in agents("job", "explain", job).out


def test_a_stubborn_job_is_being_cancelled_for_a_while(agents: Agents, worker: Supervisor) -> None:
    """The command does not wait unless it is asked to."""
    job = agents.enqueue("ignore-term")
    wait_until(agents, job, "running")

    said = agents("job", "cancel", job, "--signal", "INT")
    assert said.code == 0
    assert agents("job", "wait", job).code == 130


def test_a_job_that_is_faster_than_its_cancel(agents: Agents, worker: Supervisor, home: Home) -> None:
    """A cancel that came too late is a conflict that says how the job ended."""
    job = agents.enqueue("sleep", {"seconds": 0.3})
    wait_until(agents, job, "running")
    said = agents("job", "cancel", job, "--wait", "--signal", "CONT")

    assert said.code in (0, 4)
    if said.code == 4:
        assert "before it could be cancelled" in said.err


def test_a_worker_that_does_not_react_is_said_and_can_be_passed_over(
    agents: Agents, worker: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--force kills the job from here."""
    monkeypatch.setattr("agentsd.supervisor.cancelling.ACKNOWLEDGE", 0.2)
    job = agents.enqueue("tree", {"seconds": 60})
    wait_until(agents, job, "running")
    eventually(lambda: "pids" in agents("job", "show", job).out, 10, "the job has its processes")
    worker.freeze()
    said = agents("job", "cancel", job)

    assert said.code == 1
    assert "has not reacted for 5 s" in said.err
    forced = agents("job", "cancel", job, "--force")
    assert (forced.code, forced.out) == (0, f"{job} cancelled (cancelled)\n")
    worker.thaw()


def test_the_job_of_a_dead_worker_is_explained(agents: Agents, home: Home) -> None:
    """And what ends it."""
    supervisor = Supervisor(home).start()
    try:
        job = agents.enqueue("sleep", {"seconds": 60})
        wait_until(agents, job, "running")
    finally:
        supervisor.kill_with_spawner()

    assert "That worker is gone" in agents("job", "explain", job).out
    assert agents("diagnostics").code == 1
    assert agents("job", "cancel", job).out == f"{job} cancelled (cancelled)\n"


def test_a_full_worker_is_what_a_job_waits_for(agents: Agents, home: Home) -> None:
    """And how many come first."""
    home.set("async.shutdown_grace", 0)
    supervisor = Supervisor(home, "--max-workers", "1").start()
    try:
        running = agents.enqueue("sleep", {"seconds": 60})
        wait_until(agents, running, "running")
        agents.enqueue("noop")
        waiting = agents.enqueue("noop")
        said = agents("job", "explain", waiting).out
        assert "1 of 1 are taken, and 1 job of the queue come first" in said
    finally:
        supervisor.stop()
