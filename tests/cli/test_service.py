"""A worker under a service manager: readiness, status, watchdog, the unit, and the check for monitors."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd.cli.worker.service import Service, Wishes, take_notify_variables
from agentsd.cli.worker.unit import quote
from agentsd.store.settings import load_settings
from agentsd.supervisor.notices import Notice
from agentsd.supervisor.worker import AsyncWorker


class Manager:
    """A service manager's end of the socket."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def hears(self, text: str) -> bool:
        """Whether *text* is a line of what was told since the last time."""
        while True:
            try:
                self.heard += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                break
        if text not in self.heard:
            return False
        del self.heard[: self.heard.index(text) + 1]
        return True

    def wait_for(self, text: str) -> None:
        """Wait until *text* is told."""
        eventually(lambda: self.hears(text), 20, lambda: f"{text!r} is told; heard: {self.heard}")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, home: Home) -> Iterator[Manager]:
    """A service manager that listens, by a path or in the abstract name space."""
    path = str(home.root / "notify") if request.param == "path" else f"\0agentsd-test-{os.getpid()}"
    listening = Manager(path)
    home.environ["NOTIFY_SOCKET"] = path.replace("\0", "@")
    yield listening
    listening.socket.close()


def test_the_manager_is_told_how_the_worker_is(agents: Agents, home: Home, manager: Manager) -> None:
    """Ready when it takes jobs; how many run; that the loop turns; that it stops. Jobs do not see the socket."""
    home.environ["WATCHDOG_USEC"] = "300000"
    worker = Supervisor(home).start()
    try:
        manager.wait_for("READY=1")
        manager.wait_for("STATUS=0 of 4 jobs running")
        for _ in range(3):
            manager.wait_for("WATCHDOG=1")
        code = "import os; answer = [name for name in os.environ if name.startswith(('NOTIFY', 'WATCHDOG'))]"
        job = agents.enqueue("snippet", {"code": code})
        long = agents.enqueue("sleep", {"seconds": 600})
        manager.wait_for("STATUS=1 of 4 jobs running")
        agents("job", "wait", job)
        assert agents.ask("job", "show", job)["result"] == []
        agents("job", "cancel", long, "--wait")
    finally:
        worker.stop()

    manager.wait_for("STOPPING=1")


def test_the_watchdog_is_fed_by_the_loop_alone(home: Home, manager: Manager) -> None:
    """Time alone feeds nothing: only a turn of the worker's loop, which runs its timers."""
    worker = AsyncWorker(home.state, load_settings())
    worker.fleet = SimpleNamespace(running={})  # pyright: ignore[reportAttributeAccessIssue]
    worker.shutdown = SimpleNamespace(begun=False)  # pyright: ignore[reportAttributeAccessIssue]
    service = Service(worker, Wishes(home.environ["NOTIFY_SOCKET"], 0.15))
    service(Notice("worker_started", {}))
    assert manager.hears("WATCHDOG=1")
    for _ in range(2):
        eventually(lambda: worker.timers.patience() == 0, 5, "it is time to feed")
        assert not manager.hears("WATCHDOG=1")
        worker.timers.run_due()
        assert manager.hears("WATCHDOG=1")


def test_a_drain_is_no_stopping(agents: Agents, home: Home, manager: Manager) -> None:
    """After STOPPING a manager has little patience, and a drain may take all night."""
    worker = Supervisor(home).start()
    job = agents.enqueue("sleep", {"seconds": 600})
    manager.wait_for("STATUS=1 of 4 jobs running")
    agents("worker", "drain")
    manager.wait_for("STATUS=1 of 4 jobs running, takes no more")
    assert "STOPPING=1" not in manager.heard
    agents("job", "cancel", job, "--wait")

    assert worker.process.wait(20) == 0


@pytest.mark.parametrize("address", ["/nowhere/at/all", "no-path", "@nobody"])
def test_a_manager_that_does_not_listen_stops_nothing(agents: Agents, home: Home, address: str) -> None:
    """It is a worker all the same."""
    home.environ |= {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"}
    agents.enqueue("noop")

    assert Supervisor(home, "--drain").launch().process.wait(60) == 0


@pytest.mark.parametrize(
    ("variables", "wishes"),
    [
        ({}, Wishes()),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "2000000"}, Wishes("/s", 2.0)),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, Wishes("/s", 0.0)),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "often"}, Wishes("/s", 0.0)),
    ],
)
def test_wishes_are_taken_out_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], wishes: Wishes
) -> None:
    """A watchdog that is meant for another process is not ours to feed."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert take_notify_variables() == wishes
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()


# -- the unit ---------------------------------------------------------------------------------------


def test_the_unit_waits_for_both_graces(agents: Agents, home: Home) -> None:
    """And runs this installation on this state directory."""
    agents.set("async.shutdown_grace", "100 s")
    agents.set("async.cancel_grace", "20 s")
    unit = agents("worker", "unit").out

    assert "TimeoutStopSec=135\n" in unit
    assert f"ExecStart={AGENTS} worker start\n" in unit
    assert f"Environment=AGENTS_STATE_DIR={home.environ['AGENTS_STATE_DIR']}\n" in unit
    for line in ("Type=notify", "Delegate=yes", "KillMode=mixed", "OOMPolicy=continue"):
        assert f"\n{line}\n" in unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("spoilt", [False, True], ids=["", "spoilt"])
def test_systemd_understands_the_unit(agents: Agents, home: Home, tmp_path: Path, spoilt: bool) -> None:
    """Every key and every value; one that is wrong is found."""
    file = tmp_path / "agentsd.service"
    text = agents("worker", "unit").out
    file.write_text(text.replace("KillMode=mixed", "KillMode=mixt") if spoilt else text)
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(home.root)}
    verify = ["systemd-analyze", "--user", "verify", "--man=no", str(file)]
    ended = subprocess.run(verify, env=environ, capture_output=True, text=True, check=False)

    complaints = [line for line in ended.stderr.splitlines() if file.name in line]
    assert bool(complaints) == spoilt, ended.stderr


@pytest.mark.parametrize(
    ("word", "quoted"),
    [("/a/b", "/a/b"), ("A=50%", "A=50%%"), ("a b", '"a b"'), ('a"b\\', '"a\\"b\\\\"'), ("$HOME", "$$HOME")],
)
def test_words_are_quoted_for_a_unit(word: str, quoted: str) -> None:
    """Nothing in them is replaced."""
    assert quote(word) == quoted


def test_launchd_gets_a_property_list(agents: Agents, home: Home) -> None:
    """It can be read back."""
    value = plistlib.loads(agents("worker", "unit", "--launchd").out.encode())

    assert value["ProgramArguments"] == [str(AGENTS), "worker", "start"]
    assert value["EnvironmentVariables"]["AGENTS_STATE_DIR"] == home.environ["AGENTS_STATE_DIR"]
    assert value["KeepAlive"] == {"SuccessfulExit": False}


# -- the check --------------------------------------------------------------------------------------


def test_a_monitor_gets_one_line_and_a_code(agents: Agents, worker: Supervisor) -> None:
    """0 for a worker that beats."""
    said = agents("worker", "check")

    assert (said.code, said.out.startswith("ok  1 worker, last beat ")) == (0, True)
    assert agents("worker", "check", worker.row.worker_id, "--max-wait", "1 h").code == 0
    assert agents.ask("worker", "check")["healthy"]
    agents.enqueue("noop")
    gone = worker.row.worker_id
    worker.stop()
    said = agents("worker", "check", gone)
    assert (said.code, f"No worker is running. Worker {gone} is stopped." in said.out) == (1, True)


def test_without_a_worker_or_with_a_job_that_waits_it_fails(agents: Agents) -> None:
    """And says why; what is held is meant to wait."""
    assert agents("worker", "check").code == 1
    agents("job", "enqueue", "noop", "--hold")
    assert (
        len(agents("worker", "check", "--max-wait", "0", "--format", "json").envelope["data"]["problems"])
        == 1
    )
    agents.enqueue("noop")
    said = agents("worker", "check", "--max-wait", "0", "--format", "json")
    assert (said.code, said.envelope["status"]) == (1, "error")
    assert "A job has waited for" in said.envelope["data"]["problems"][1]
    assert agents("worker", "check", "ZZZZZZ").code == 3


# -- the log ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "is_json"), [((), True), (("--log-format", "text"), False)])
def test_elsewhere_than_on_a_terminal_the_log_is_json(
    home: Home, options: tuple[str, ...], is_json: bool
) -> None:
    """Unless it is asked for as text; each line says the same in words."""
    command = [AGENTS, "worker", "start", "--drain", *options]
    said = subprocess.run(command, env=home.environ, capture_output=True, text=True, check=True).stderr
    first = said.splitlines()[0]

    assert first.startswith("{") == is_json
    assert "takes jobs, 4 at once" in (json.loads(first)["message"] if is_json else first)
