"""``agents plan``."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor
from support.terminal import Terminal

from agentsd.cli.plan import list as plan_list

FAILING = "name: failing\nsteps:\n  - {name: write, run: 'echo new > NEW'}\n  - {name: fail, run: 'echo oh no; exit 3'}\n"
SLOW = "name: slow\nsteps:\n  - {name: wait, run: 'sleep 60'}\n"
IN_PLACE = "name: here\nsandbox: none\nsteps:\n  - {name: look, run: 'true'}\n"


def make(agents: Agents, project: Path, text: str | None = None) -> str:
    """Create a plan, of *text* if given, and return its id."""
    if text is not None:
        (project / "other.yaml").write_text(text)
    said = agents("plan", "create", "other.yaml" if text else "plan.yaml")
    assert said.code == 0, said
    return said.out.strip()


def test_a_plan_from_its_file_to_the_project_and_back(agents: Agents, project: Path) -> None:
    """Create, execute, look, apply, revert, discard: each says what comes next."""
    plan = make(agents, project)
    assert agents.ask("plan", "status", plan)["state"] == "draft"
    assert "Next: agents plan execute" in agents("plan", "status", plan).out
    executed = agents("plan", "execute", plan[-8:])
    assert executed.code == 0, executed
    assert "changed: 1 file, +1 -1" in executed.err
    status = agents("plan", "status", plan).out
    assert "is ready" in status
    assert "+ version  succeeded" in status
    assert "+2.0" in agents("plan", "diff", plan).out
    assert "VERSION | 2 +-" in agents("plan", "diff", plan, "--stat").out
    diff = agents.ask("plan", "diff", plan)
    assert (diff["files"][0]["path"], diff["insertions"], "+2.0" in diff["diff"]) == ("VERSION", 1, True)
    assert "It fits: 1 file would be written." in agents("plan", "apply", "--check", plan).out
    assert (project / "VERSION").read_text() == "1.0\n"
    applied = agents("plan", "apply", plan, "--format", "json")
    assert applied.data["status"] == "succeeded"
    assert (project / "VERSION").read_text() == "2.0\n"
    assert agents("plan", "apply", "--check", plan).code == 4
    assert agents("plan", "apply", plan).code == 4
    assert "1 file put back" in agents("plan", "revert", plan).out
    assert (project / "VERSION").read_text() == "1.0\n"
    assert agents("plan", "revert", plan).code == 4
    shown = agents("plan", "show", plan).out
    assert "write VERSION" in shown
    assert "cat VERSION; git status" in shown
    assert "python json:dumps" in shown
    assert "1 file, +1 -1" in shown
    data = agents.ask("plan", "show", plan)
    assert (len(data["jobs"]), data["result"]["kind"], data["frozen"]["name"]) == (
        2,
        "result",
        "write-a-version",
    )
    assert "file" in agents("plan", "logs", plan).out
    assert "is discarded" in agents("plan", "discard", plan).out
    assert agents("plan", "discard", plan).code == 4
    assert agents("plan", "execute", plan).code == 4


def test_checking_a_file_stores_nothing(agents: Agents, project: Path) -> None:
    """A wrong file is refused with its line and the nearest key."""
    assert (
        "plan.yaml is a good plan: write-a-version, 3 steps"
        in agents("plan", "create", "--check", "plan.yaml").out
    )
    assert agents.ask("plan", "list")["plans"] == []
    (project / "bad.yaml").write_text("name: x\nstep: []\n")
    said = agents("plan", "create", "bad.yaml")
    assert said.code == 2
    assert "bad.yaml:2:" in said.err
    assert "steps" in said.err
    assert agents("plan", "create", "missing.yaml").code == 2
    assert agents("plan", "create", "plan.yaml", "--project", "/nowhere").code != 0


def test_plans_are_listed_newest_first(
    agents: Agents, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table is cut, and says so."""
    assert "There are no such plans" in agents("plan", "list").err
    ids = [make(agents, project), make(agents, project)]
    monkeypatch.setattr(plan_list, "SHOWN", 1)
    said = agents("plan", "list")

    assert said.out.splitlines()[1].startswith(ids[1])
    assert "The newest 1 are shown" in said.err
    plans = agents.ask("plan", "list")["plans"]
    assert [plan["plan_id"] for plan in plans] == ids[::-1]
    assert "frozen_json" not in plans[0]
    assert agents.ask("plan", "list", "--state", "ready")["plans"] == []
    assert agents.ask("plan", "show", ids[0])["result"] is None


def test_a_failed_plan_says_why_and_keeps_what_it_did(agents: Agents, project: Path) -> None:
    """It exits with 1; the partial change can be seen; a retry runs it again."""
    plan = make(agents, project, FAILING)
    for words in ("diff", "logs", "retry"):
        assert agents("plan", words, plan).code == 4
    said = agents("plan", "execute", plan)

    assert said.code == 1
    assert "x fail" in said.err
    assert "exit code 3" in said.err
    assert "step_failed" in said.err
    diff = agents("plan", "diff", plan)
    assert "+new" in diff.out
    assert "partial changes" in diff.err
    assert "oh no" in agents("plan", "logs", plan).out
    assert "agents plan retry" in agents("plan", "status", plan).out
    assert agents("plan", "retry", plan).code == 1
    assert len(agents.ask("plan", "show", plan)["jobs"]) == 2
    assert agents("plan", "apply", plan).code == 4


def test_what_succeeded_is_not_retried(agents: Agents, project: Path) -> None:
    """Execute again is what is meant then."""
    plan = make(agents, project)
    agents("plan", "execute", plan)

    assert agents("plan", "retry", plan).code == 4


def test_a_plan_without_a_sandbox_has_no_diff(agents: Agents, project: Path) -> None:
    """Nor anything to apply."""
    plan = make(agents, project, IN_PLACE)
    executed = agents("plan", "execute", plan)

    assert "changed: nothing" in executed.err
    assert "ran in the project itself" in agents("plan", "diff", plan).err
    assert agents("plan", "apply", "--check", plan).code == 4


def test_an_empty_change_is_said(agents: Agents, project: Path) -> None:
    """Never silently shown, or applied, as nothing."""
    plan = make(agents, project, IN_PLACE.replace("sandbox: none\n", ""))
    agents("plan", "execute", plan)

    said = agents("plan", "diff", plan)
    assert (said.out, said.err) == ("", "Changed: nothing.\n")
    assert "nothing" in agents("plan", "apply", plan).err


def test_a_change_that_does_not_fit_is_not_applied(agents: Agents, project: Path) -> None:
    """Exit 4, the project as it was, the plan still ready."""
    plan = make(agents, project)
    agents("plan", "execute", plan)
    (project / "VERSION").write_text("3.0\n")

    assert agents("plan", "apply", "--check", plan).code == 4
    said = agents("plan", "apply", plan)
    assert said.code == 4
    assert "VERSION" in said.err
    assert (project / "VERSION").read_text() == "3.0\n"
    assert agents.ask("plan", "status", plan)["state"] == "ready"


def test_with_async_on_a_plan_is_queued(agents: Agents, project: Path) -> None:
    """And it is said loudly when nobody is there to run it; one job at a time."""
    agents.set("async.enabled", True)
    plan = make(agents, project)
    said = agents("plan", "execute", plan)

    assert len(said.out.strip()) == 26
    assert "No worker is running" in said.err
    again = agents("plan", "execute", plan)
    assert (again.code, said.out.strip() in again.err) == (4, True)
    assert agents("plan", "discard", plan).code == 4
    assert agents("plan", "apply", "--check", plan).code == 4
    assert "queued" in agents("plan", "status", plan).out
    assert agents("job", "list", "--plan", plan).out.splitlines()[1].startswith(said.out.strip())
    assert f"plan     {plan}" in agents("job", "show", said.out.strip()).out
    assert agents("plan", "cancel", plan, "--reason", "no").code == 0
    assert agents("plan", "cancel", plan).code == 4
    assert agents.ask("plan", "retry", plan)["status"] == "queued"


def test_a_worker_runs_what_was_queued(agents: Agents, project: Path, worker: Supervisor) -> None:
    """The same commands show it."""
    agents.set("async.enabled", True)
    plan = make(agents, project)
    job = agents.ask("plan", "execute", plan)["job_id"]

    assert agents("plan", "logs", "-f", plan).code == 0
    assert agents("job", "wait", job).code == 0
    assert (
        "==> 02-step <==" in agents("plan", "logs", plan).out or "VERSION" in agents("plan", "logs", plan).out
    )


def test_control_c_cancels_what_runs_in_the_foreground(agents: Agents, project: Path, home: Home) -> None:
    """With live progress on the terminal before, and exit code 130."""
    plan = make(agents, project, SLOW)
    terminal = Terminal([str(AGENTS), "plan", "execute", plan], home.environ, project)
    try:
        terminal.wait_for_text(">wait", 20)
        terminal.press_control_c()
        assert terminal.wait(15) == 130
    finally:
        terminal.end()
    assert agents.ask("plan", "status", plan)["state"] == "cancelled"
    assert agents.ask("plan", "status", plan)["job"]["reason"] == "cancelled"


def test_the_work_of_a_killed_job_is_captured_late(agents: Agents, project: Path, home: Home) -> None:
    """Its sandbox is still there, so `diff` captures it."""
    plan = make(
        agents,
        project,
        "name: killed\nsteps:\n  - {name: write, run: 'echo late > LATE; touch %s; sleep 60'}\n"
        % (home.root / "begun"),
    )
    process = subprocess.Popen([AGENTS, "plan", "execute", plan], env=home.environ, stderr=subprocess.PIPE)
    eventually((home.root / "begun").exists, 20, "the step runs")
    job = agents.ask("plan", "status", plan)["job"]
    os.kill(job["pid"], signal.SIGKILL)
    process.communicate(timeout=30)

    assert process.returncode == 1
    diff = agents("plan", "diff", plan)
    assert "+late" in diff.out, diff
