"""``agents diagnostics`` and ``agents cleanup``."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.agents import Agents
from support.home import Home
from support.patience import eventually
from support.supervisor import STANDBYS, Supervisor
from support.world import World

from agentsd.cli.checks import containment, surroundings
from agentsd.errors import SandboxError
from agentsd.store import health


def findings(agents: Agents, level: str) -> list[str]:
    """What diagnostics say of a level."""
    said = agents("diagnostics", "--format", "json")
    return [each["text"] for each in said.envelope["data"]["checks"] if each["level"] == level]


def test_a_new_home_is_well(agents: Agents) -> None:
    """Every part is there for a program."""
    data = agents.ask("diagnostics")

    assert data["verdict"] == "ok"
    assert data.keys() >= {"store", "queue", "workers", "processes", "orphans", "sandboxes", "checks"}
    assert data["store"]["integrity"] == "ok"
    assert "Verdict: ok (0 errors, 0 warnings)" in agents("diagnostics").out


def test_every_process_of_every_job_is_listed(agents: Agents, worker: Supervisor) -> None:
    """As a tree: worker, spawner, job, tools; daemons too."""
    job = agents.enqueue("tree", {"seconds": 60})
    eventually(lambda: "pids" in agents("job", "show", job).out, 10, "the job has its processes")
    data = agents.ask("diagnostics")

    roles = [each["role"] for each in data["processes"] if each["role"] != "standby"]
    assert roles == ["worker", "spawner", "job", "tool", "tool", "tool"]
    assert {each["job_id"] for each in data["processes"] if each["role"] in ("job", "tool")} == {job}
    assert all(each["rss_bytes"] > 0 and each["age_s"] >= 0 for each in data["processes"])
    assert data["workers"][0]["running"] == 1
    table = agents("diagnostics").out
    assert "agents worker" in table
    assert f"agents job {job}" in table
    agents("job", "cancel", job, "--wait")


def test_what_stands_by_is_no_job_s(agents: Agents, worker: Supervisor) -> None:
    """It is listed as what it is."""

    def standbys() -> list[dict[str, Any]]:
        return [each for each in agents.ask("diagnostics")["processes"] if each["role"] == "standby"]

    found = eventually(lambda: each if len(each := standbys()) == STANDBYS else None, 10, "all are there")
    assert {each["job_id"] for each in found} == {None}
    assert {each["parent"] for each in found} == {worker.spawner_pid}


def test_a_wrong_configuration_does_not_hide_the_rest(agents: Agents) -> None:
    """The person who asks has a problem already."""
    agents.set("async.max_workers", 0)
    said = agents("diagnostics", "--format", "json")

    assert said.code == 1
    assert said.envelope["data"]["store"]["integrity"] == "ok"
    assert any("max_workers" in text for text in findings(agents, "error"))


def test_a_store_that_is_none_is_a_finding(agents: Agents, home: Home) -> None:
    """With what to do."""
    home.state.database.write_text("this is no database, and long enough to be looked at" * 40)

    assert len(findings(agents, "error")) == 1
    assert agents("diagnostics").code == 1


def test_what_waits_for_whom_is_said(agents: Agents, home: Home) -> None:
    """Jobs without a worker, jobs for a newer one."""
    agents.enqueue("noop")
    world = World.__new__(World)
    world.home, world.jobs = home, []
    world.insert_job_from_newer_version()

    warnings = findings(agents, "warning")
    assert any("wait for a newer worker" in text for text in warnings)
    assert any("no worker is running" in text for text in warnings)


def test_rows_that_contradict_each_other_are_errors(agents: Agents, home: Home) -> None:
    """Somebody has been at the database, or there is a bug."""
    job = agents.enqueue("noop")
    home.sql("DELETE FROM job_events WHERE job_id = ?", job)
    owned = agents.enqueue("noop")
    home.sql(
        "UPDATE async_jobs SET status = 'running', worker_id = 'gone', claimed_at = created_at WHERE job_id = ?",
        owned,
    )
    values = (
        "0" * 26,
        "p",
        "/p",
        "executing",
        "{}",
        "f",
        "s",
        "worktree",
        "2026-01-31T09:00:00.000000Z",
        "2026-01-31T09:00:00.000000Z",
    )
    home.sql(
        "INSERT INTO plans (plan_id, name, project, state, frozen_json, source_path, source_sha256, sandbox, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *values,
    )
    errors = findings(agents, "error")

    assert any(f"Job {job} is queued, but its last event says None" in text for text in errors)
    assert any(f"Job {owned} is running, but its worker gone has no row" in text for text in errors)
    assert any("is executing, but no job of it" in text for text in errors)


def test_a_damaged_database_and_a_large_log_are_said(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do about the first, and the cause of the second."""
    with agents.home.connect() as client:
        seen = replace(health.examine(client.db, "row 3 missing from index"), wal_size=2**30)

    def examine(_db: object, _integrity: str) -> health.StoreHealth:
        return seen

    monkeypatch.setattr(health, "examine", examine)
    said = agents("diagnostics")

    assert said.code == 1
    assert "The database is damaged: row 3 missing from index. Stop the workers" in said.out
    assert "The write-ahead log has 1.0 GiB" in said.out


def test_processes_left_by_a_dead_worker_are_orphans(agents: Agents, home: Home) -> None:
    """They are named one by one until the next worker ends them."""
    supervisor = Supervisor(home).start()
    job = agents.enqueue("tree", {"seconds": 60})
    eventually(lambda: "pids" in agents("job", "show", job).out, 10, "the job has its processes")
    supervisor.kill_with_spawner()
    said = agents("diagnostics", "--format", "json")

    assert said.code == 1
    orphans: list[dict[str, Any]] = said.envelope["data"]["orphans"]
    assert {each["role"] for each in orphans} == {"orphan"}
    assert len(orphans) >= 3
    assert "orphans" in agents("diagnostics").out
    assert agents("job", "cancel", job).code == 0
    assert agents.ask("diagnostics")["orphans"] == []


def test_a_running_job_without_a_process_is_an_error(agents: Agents, worker: Supervisor) -> None:
    """Looked at twice, as for a moment every job is so."""
    job = agents.enqueue("sleep", {"seconds": 60})
    eventually(lambda: agents.ask("job", "show", job)["pid"], 10, "it has a process")
    worker.freeze()
    os.kill(worker.spawner_pid, signal.SIGSTOP)
    pid = agents.ask("job", "show", job)["pid"]
    os.kill(pid, signal.SIGKILL)
    worker_pid, spawner = worker.pid, worker.spawner_pid
    try:
        found = findings(agents, "error")
    finally:
        os.kill(spawner, signal.SIGCONT)
        os.kill(worker_pid, signal.SIGCONT)
    assert found == [] or any("is not there" in text for text in found)


@pytest.mark.parametrize(("free", "level"), [(2**20, "error"), (2**29, "warning"), (2**40, "ok")])
def test_little_room_on_the_disk_is_said(monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    """Before it is none."""
    usage = shutil.disk_usage("/")._replace(free=free)

    def disk_usage(_path: Path) -> object:
        return usage

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)

    assert surroundings.check_disk(Path("/")).level == level


def test_a_missing_git_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans without a sandbox do not need it."""

    def refuse() -> None:
        raise SandboxError("There is no git.")

    monkeypatch.setattr("agentsd.plans.git.require_version", refuse)

    assert surroundings.check_git().level == "warning"


def test_other_systems_are_told_what_they_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    """There a daemon can escape."""
    monkeypatch.setattr("sys.platform", "darwin")

    assert [each.level for each in containment.check_containment([], "auto")] == ["warning"]


def test_cleanup_removes_what_nothing_needs(agents: Agents, home: Home, project: Path) -> None:
    """A dry run only says what; what no record describes is left alone."""
    plan = agents("plan", "create", "plan.yaml").out.strip()
    agents("plan", "execute", plan)
    kept = agents.ask("diagnostics")["sandboxes"]
    assert [each["kind"] for each in kept] == ["kept"]
    assert (
        agents("cleanup").out
        == f"left alone   {kept[0]['path']} (kept: its plan is ready)\n0 things removed\n"
    )
    home.state.job_logs("stray").mkdir()
    home.sql("UPDATE plans SET state = 'cancelled'")
    unknown = Path(kept[0]["path"]).parent / "mine"
    unknown.mkdir()

    assert any("1 sandbox, 1 can go: agents cleanup" in text for text in findings(agents, "ok"))
    assert not any("agents cleanup" in text for text in findings(agents, "warning")), "it stays by design"
    assert any(str(unknown) in text for text in findings(agents, "warning"))
    dry = agents("cleanup", "--dry-run").out
    assert "would remove" in dry
    assert f"left alone   {unknown}" in dry
    assert Path(kept[0]["path"]).exists()
    done = agents.ask("cleanup")
    assert {each["kind"] for each in done["removed"]} == {"leftover", "logs"}
    assert not Path(kept[0]["path"]).exists()
    assert not home.state.job_logs("stray").exists()
    assert unknown.exists()


def test_what_resists_a_cleanup_is_said(agents: Agents, home: Home, project: Path) -> None:
    """And exits with 1: a process is in the sandbox."""
    plan = agents("plan", "create", "plan.yaml").out.strip()
    agents("plan", "execute", plan)
    home.sql("UPDATE plans SET state = 'cancelled'")
    before = Path.cwd()
    os.chdir(agents.ask("diagnostics")["sandboxes"][0]["path"])
    try:
        said = agents("cleanup")
    finally:
        os.chdir(before)

    assert said.code == 1
    assert "resists" in said.out
