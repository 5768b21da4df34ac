"""``agents worker``, and what a worker says."""

from __future__ import annotations

import json
import os
import subprocess

from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd.cli.worker.events import sentence
from agentsd.cli.worker.log import WorkerLog
from agentsd.cli.worker.start import command as start
from agentsd.supervisor.notices import Notice


def test_without_a_worker_the_list_says_how_to_start_one(agents: Agents) -> None:
    """And there is none to stop."""
    assert "agents worker start" in agents("worker", "list").err
    assert agents.ask("worker", "list") == {"workers": []}
    assert (agents("worker", "stop").code, agents("worker", "stop", "ZZZZZZ").code) == (4, 3)


def test_a_worker_is_listed_and_stopped(agents: Agents, worker: Supervisor) -> None:
    """By its id or, if it is the only one, without; afterwards it is listed on request."""
    row = agents.ask("worker", "list")["workers"][0]

    assert row.keys() >= {"worker_id", "pid", "state", "last_heartbeat", "jobs_processed"}
    assert (row["pid"], row["health"]) == (worker.pid, "alive")
    assert row["worker_id"] in agents("worker", "list").out
    assert str(worker.pid) in agents("worker", "stop", row["worker_id"][-8:], "--now").out
    worker.process.wait(10)
    assert agents("worker", "stop", row["worker_id"]).code == 4
    assert agents.ask("worker", "list")["workers"] == []
    assert agents.ask("worker", "list", "--all")["workers"][0]["health"] == "stopped"


def test_of_several_workers_one_has_to_be_named(agents: Agents, worker: Supervisor, home: Home) -> None:
    """Nothing is stopped by guess."""
    other = Supervisor(home).start()
    try:
        said = agents("worker", "stop")
        assert (said.code, "2 workers run" in said.err) == (4, True)
    finally:
        other.stop()
    assert agents("worker", "stop").code == 0


def test_a_silent_and_a_dead_worker_are_told_apart(agents: Agents, home: Home) -> None:
    """Nothing is ended because of that; diagnostics warn."""
    home.set("async.job_ttl", 1)
    supervisor = Supervisor(home).start()
    supervisor.freeze()
    try:
        eventually(
            lambda: agents.ask("worker", "list")["workers"][0]["health"] == "silent", 10, "it is silent"
        )
        assert "silent for longer" in agents("diagnostics").out
    finally:
        supervisor.kill_with_spawner()
    assert agents.ask("worker", "list")["workers"][0]["health"] == "dead"
    said = agents("diagnostics")
    assert (said.code, "is gone" in said.out) == (0, True)


def test_draining_ends_when_nothing_is_left(agents: Agents, home: Home) -> None:
    """It tells people on stderr what it does."""
    agents.enqueue("noop")
    ended = subprocess.run(
        [AGENTS, "worker", "start", "--drain"], env=home.environ, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (0, "")
    assert "takes jobs, 4 at once" in ended.stderr
    assert "noop succeeded (completed)" in ended.stderr


def test_a_program_gets_notices_as_json_lines(agents: Agents, home: Home) -> None:
    """On stdout; with `json` there is one envelope at the end."""
    agents.enqueue("noop")
    words = [AGENTS, "worker", "start", "--drain", "--max-workers", "2", "--format"]
    lines = subprocess.run(
        [*words, "jsonl"], env=home.environ, capture_output=True, text=True, check=True
    ).stdout
    whole = subprocess.run(
        [*words, "json", "--log-level", "error"], env=home.environ, capture_output=True, text=True, check=True
    )

    notices = [json.loads(line) for line in lines.splitlines()]
    assert [notice["event"] for notice in notices] == [
        "worker_started",
        "job_claimed",
        "job_started",
        "job_ended",
        "worker_stopped",
    ]
    assert notices[0]["slots"] == 2
    assert len(json.loads(whole.stdout)["data"]["worker_id"]) == 26
    assert whole.stderr == ""


def test_a_wrong_configuration_starts_no_worker(home: Home) -> None:
    """It is one line and exit code 2."""
    home.set("async.max_workers", "many")
    ended = subprocess.run(
        [AGENTS, "worker", "start"], env=home.environ, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)


def test_a_notice_without_words_is_shown_by_its_facts() -> None:
    """A newer supervisor may know more."""
    assert sentence(Notice("new", {"a": 1})) == "new a=1"


def test_a_log_that_nobody_reads_does_not_stop_the_worker() -> None:
    """Lines are dropped while the pipe is full, and that is said afterwards; a closed one is no error."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    log = WorkerLog(write, "info", as_json=False)
    log(Notice("unseen", {}, "debug"))
    for _ in range(3000):
        log(Notice("noise", {"words": "x" * 100}, "warning"))
    while True:
        try:
            os.read(read, 1 << 16)
        except BlockingIOError:
            break
    log(Notice("after", {}))

    assert b"lost: nobody was reading" in os.read(read, 4096)
    os.close(read)
    log(Notice("nobody", {}))
    os.close(write)


def test_a_terminal_with_an_odd_encoding_is_written_to() -> None:
    """Bytes are bytes."""
    read, write = os.pipe()
    WorkerLog(write, "debug", as_json=True)(Notice("odd", {"error": "\udcff"[:0] + "é"}))

    assert json.loads(os.read(read, 4096))["error"] == "é"
    os.close(read)
    os.close(write)


def test_starting_has_a_limit_for_its_option() -> None:
    """As the key has."""
    option = next(each for each in start.params if each.name == "max_workers")

    assert str(option.type) == "<IntRange 1<=x<=1024>"
