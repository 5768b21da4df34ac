"""``agents plan``."""

from __future__ import annotations

import json
import os
import shutil
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

from agentsd import connect
from agentsd.cli.plan import list as plan_list
from agentsd.cli.plan.conflicts import conflicts_of, what_next
from agentsd.cli.undisturbed import undisturbed
from agentsd.model import PlanState
from agentsd.plans import git
from agentsd.store import plans

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
    assert agents("plan", "logs", plan).out == "1 file written\n"
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


STEPS = """
name: logs
steps:
  - {id: one, name: the first, run: "echo from one"}
  - {id: two, run: "echo from two; touch %s; while ! test -e %s; do sleep 0.05; done"}
  - {id: three, name: the last, run: "echo from three"}
"""


def test_a_step_is_followed_by_its_name_before_it_begins(
    agents: Agents, project: Path, worker: Supervisor, home: Home
) -> None:
    """Number, id, name and file name a step; its state is seen while it runs."""
    agents.set("async.enabled", True)
    begun, go = home.root / "begun", home.root / "go"
    plan = make(agents, project, STEPS % (begun, go))
    agents("plan", "execute", plan)
    eventually(begun.exists, 20, "the second step runs")
    states = [step["state"] for step in agents.ask("plan", "status", plan)["job"]["progress"]["steps"]]
    assert states == ["succeeded", "running", "waiting"]
    assert agents("plan", "logs", plan, "--step", "three").err == "There is no output.\n"
    command = [AGENTS, "plan", "logs", "-f", "--step", "the last", plan]
    follower = subprocess.Popen(command, env=home.environ, stdout=subprocess.PIPE)
    go.touch()

    assert follower.communicate(timeout=30)[0] == b"from three\n"
    for name in ("1", "one", "the first", "01-step", "01-step.log"):
        assert agents("plan", "logs", plan, "--step", name).out == "from one\n"
    assert agents("plan", "logs", plan, "--step", "four").code == 2


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


DEAF_FOR_A_WHILE = """
name: deaf
steps:
  - name: tidy-up
    run: |
      trap 'while [ ! -e {go} ]; do echo alive >> {alive}; sleep 0.02; done; echo kept > KEPT; exit 1' TERM
      touch {begun}
      while :; do sleep 0.02; done
"""


def test_a_plan_whose_job_is_being_cancelled_says_so(
    agents: Agents, project: Path, home: Home, worker: Supervisor
) -> None:
    """Until the job has ended; then how long that took, and what was written."""
    agents.set("async.enabled", True)
    begun, alive, go = (home.root / name for name in ("begun", "alive", "go"))
    plan = make(agents, project, DEAF_FOR_A_WHILE.format(begun=begun, alive=alive, go=go))
    job = agents("plan", "execute", plan).out.strip()
    eventually(begun.exists, 20, "the step runs")
    assert "being cancelled" not in agents("plan", "status", plan).out
    worker.freeze()
    assert agents("plan", "cancel", plan).code == 1
    assert f"execute {job} running for " in agents("plan", "status", plan).out
    assert ", being cancelled" in agents("plan", "status", plan).out
    worker.thaw()
    agents("job", "wait", job)

    assert f"execute {job} cancelled (cancelled) after " in agents("plan", "status", plan).out
    assert "being cancelled" not in agents("plan", "status", plan).out


def test_a_terminal_that_is_closed_cancels_and_kills_nothing(
    agents: Agents, project: Path, home: Home
) -> None:
    """Shell and kernel both say that it is closed: the second hang-up does not cut the job's grace short."""
    begun, alive, go = (home.root / name for name in ("begun", "alive", "go"))
    home.set("async.cancel_grace", 600)
    plan = make(agents, project, DEAF_FOR_A_WHILE.format(begun=begun, alive=alive, go=go))
    process = subprocess.Popen([AGENTS, "plan", "execute", plan], env=home.environ, stderr=subprocess.PIPE)
    eventually(begun.exists, 20, "the step runs")
    process.send_signal(signal.SIGHUP)
    eventually(alive.exists, 20, "it tidies up")
    process.send_signal(signal.SIGHUP)
    since = alive.stat().st_size
    eventually(lambda: alive.stat().st_size > since + 600, 20, "it goes on")
    go.touch()
    process.communicate(timeout=30)

    assert process.returncode == 130
    assert agents("plan", "diff", "--names", plan).out == "A\tKEPT\n"


TIDY = """
name: tidy
timeout-minutes: {minutes}
steps:
  - {{name: wait, run: "trap '' TERM; sleep 60 & sleep 60"}}
  - {{name: never, run: "touch NEVER"}}
  - {{name: stop, if: always(), run: "echo stopped > STOPPED"}}
  - {{name: hang, if: always(), run: "trap '' TERM; touch HUNG; sleep 60"}}
"""


@pytest.mark.parametrize(("minutes", "code", "reason"), [(10, 130, "cancelled"), (0.1, 124, "timeout")])
def test_what_runs_always_runs_when_a_plan_is_ended(
    agents: Agents, project: Path, home: Home, minutes: float, code: int, reason: str
) -> None:
    """After a cancel and after a timeout; within the grace, and what it changed is kept."""
    home.set("async.cancel_grace", 6)
    plan = make(agents, project, TIDY.format(minutes=minutes))
    terminal = Terminal([str(AGENTS), "plan", "execute", plan], home.environ, project)
    try:
        if reason == "cancelled":
            terminal.wait_for_text(">wait", 20)
            terminal.press_control_c()
        assert terminal.wait(30) == code, terminal.screen
    finally:
        terminal.end()
    job = agents.ask("plan", "status", plan)["job"]
    steps = [step["state"] for step in job["progress"]["steps"]]

    assert (job["reason"], steps) == (reason, ["cancelled", "skipped", "succeeded", "failed"])
    assert agents("plan", "diff", "--names", plan).out == "A\tHUNG\nA\tSTOPPED\n"
    (ended,) = [
        each for each in agents.ask("job", "show", job["job_id"])["events"] if each["reason"] == reason
    ]
    assert [stage["stage"] for stage in ended["detail"]["ladder"]] == ["TERM"], "it never came to KILL"


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
    step = agents.ask("plan", "status", plan)["job"]["progress"]["steps"][0]
    assert (step["state"], step["finished_at"] is not None) == ("lost", True)
    assert "x write  lost" in agents("plan", "status", plan).out
    assert "x write  lost" in agents("job", "show", job["job_id"]).out


def test_a_change_of_the_plans_file_is_said_and_changes_nothing(agents: Agents, project: Path) -> None:
    """What was created is what runs; execute, apply, status and show say that the file is another one now."""
    plan = make(agents, project)
    assert agents.ask("plan", "status", plan)["source"] == "same"
    (project / "plan.yaml").write_text(IN_PLACE)

    for words in (("status",), ("show",), ("execute",), ("apply",)):
        said = agents("plan", *words, plan)
        assert said.code == 0, said
        assert "plan.yaml has changed since; this plan has not." in said.out + said.err, said
    assert (project / "VERSION").read_text() == "2.0\n"
    (project / "plan.yaml").unlink()
    assert agents.ask("plan", "show", plan)["source"] == "gone"
    assert "plan.yaml is gone; this plan does not need it." in agents("plan", "show", plan).out


def test_a_conflict_says_where_and_what_to_do(agents: Agents, project: Path) -> None:
    """Each conflict by kind and path, and the commands that help."""
    plan = make(agents, project)
    agents("plan", "execute", plan)
    (project / "VERSION").write_text("3.0\n")

    for words in (("apply",), ("apply", "--check")):
        said = agents("plan", *words, plan)
        assert said.code == 4, said
        for expected in ("contents: VERSION", f"agents plan diff {plan}", f"agents plan execute {plan}"):
            assert expected in said.err, said
    shown = agents("plan", "apply", "--check", plan, "--format", "json").envelope
    assert any("agents plan execute" in message["text"] for message in shown["messages"])
    job = agents.ask("plan", "status", plan)["job"]
    assert job["result"] == {"kind": "conflict", "conflicts": [{"kind": "contents", "path": "VERSION"}]}
    assert job["reason"] == "conflict"

    assert agents("plan", "execute", plan).code == 0
    assert agents("plan", "apply", plan).code == 0
    assert (project / "VERSION").read_text() == "2.0\n"


def test_an_apply_onto_another_branch_has_to_be_meant(agents: Agents, project: Path) -> None:
    """It is refused with the option that allows it."""
    plan = make(agents, project)
    agents("plan", "execute", plan)
    subprocess.run(("git", "checkout", "-q", "-b", "other"), cwd=project, check=True)

    for words in (("apply",), ("apply", "--check")):
        said = agents("plan", *words, plan)
        assert said.code == 4
        assert f"agents plan apply --onto-current {plan}" in said.err
    assert agents("plan", "apply", "--check", "--onto-current", plan).code == 0
    assert agents("plan", "apply", "--onto-current", plan).code == 0
    assert (project / "VERSION").read_text() == "2.0\n"


def test_a_plans_job_takes_a_payload_that_is_an_object(agents: Agents, project: Path) -> None:
    """It was dropped without a word; `onto_current` is what an apply reads."""
    plan = make(agents, project)
    agents("plan", "execute", plan)

    said = agents("job", "enqueue", "apply", "--plan", plan, "--payload", "[1]")
    assert (said.code, "expected an object" in said.err) == (2, True)
    payload = '{"onto_current": true}'
    job = agents.ask("job", "enqueue", "apply", "--plan", plan, "--payload", payload)["job_id"]
    assert agents.ask("job", "show", job)["payload"] == {"onto_current": True, "plan_id": plan}


def test_other_conflicts_have_other_advice() -> None:
    """What is in the way has to be moved, `paths` have to be corrected; each line names a command or a thing to do."""
    outside = list(what_next("P", [("outside the plan's paths", "a")]))
    blocked = list(what_next("P", [("ignored file in the way", "a"), ("folder in the way", "b")]))
    nested = list(what_next("P", [("nested repository", "a")]))

    assert "`paths`" in outside[1]
    assert blocked[1] == "Move away what is in the way, then: agents plan apply P"
    assert [len(lines) for lines in (outside, blocked, nested, list(what_next("P", [])))] == [2, 2, 1, 0]
    assert conflicts_of("text") == conflicts_of({"kind": "applied"}) == []


def test_a_retry_in_the_foreground_is_linked(agents: Agents, project: Path) -> None:
    """Its job says which one it retries, as in the background; the plan and its time limit are the same."""
    plan = make(agents, project, FAILING)
    agents("plan", "execute", plan)
    assert agents("plan", "retry", plan).code == 1
    second, first = agents.ask("plan", "show", plan)["jobs"]

    assert (second["retry_of"], second["attempt"]) == (first["job_id"], 2)
    (event,) = [
        each for each in agents.ask("job", "show", second["job_id"])["events"] if each["to"] == "queued"
    ]
    assert event["detail"]["retry_of"] == first["job_id"]


def test_a_project_in_the_middle_of_a_rebase_is_left_alone(agents: Agents, project: Path) -> None:
    """Execute and apply end with 4 and say so; afterwards they work."""
    plan = make(agents, project)
    agents("plan", "execute", plan)
    (project / ".git" / "rebase-merge").mkdir()

    for words in (("apply", "--check"), ("apply",), ("execute",)):
        said = agents("plan", *words, plan)
        assert (said.code, "A rebase is in progress" in said.err) == (4, True), said
    assert agents.ask("plan", "status", plan)["state"] == "ready"
    (project / ".git" / "rebase-merge").rmdir()
    assert agents("plan", "apply", plan).code == 0


def test_without_git_only_plans_without_a_sandbox_work(
    agents: Agents, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A missing program is an error, not a conflict; it says what to do."""
    made = make(agents, project)
    git.version.cache_clear()
    for name in ("bash", "sh", "true"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tmp_path))

    for words in (("create", "plan.yaml"), ("execute", made), ("diff", made)):
        said = agents("plan", *words)
        expected = 4 if words[0] == "diff" else 1  # nothing was executed
        assert said.code == expected, said
    assert (
        "git cannot be run: No such file or directory. Install git 2.38"
        in agents("plan", "execute", made).err
    )
    assert "git cannot be run" in agents("diagnostics").out
    (project / "here.yaml").write_text(IN_PLACE)
    here = agents("plan", "create", "here.yaml").out.strip()
    assert agents("plan", "execute", here).code == 0


def test_a_diff_when_something_is_gone(agents: Agents, project: Path) -> None:
    """It needs the repository and nothing else; a discarded plan has none."""
    plan = make(agents, project)
    agents("plan", "execute", plan)
    shutil.rmtree(agents.ask("plan", "show", plan)["result"]["sandbox"])
    assert "+2.0" in agents("plan", "diff", plan).out
    assert agents("plan", "diff", "--names", plan).out == "M\tVERSION\n"
    project.rename(project.with_name("moved"))
    said = agents("plan", "diff", plan)
    assert (said.code, "is not there any more" in said.err) == (4, True)
    project.with_name("moved").rename(project)
    assert agents("plan", "discard", plan).code == 0
    said = agents("plan", "diff", plan)

    assert (said.code, "is discarded: its change is gone" in said.err) == (4, True)


def test_a_discard_that_was_killed_is_finished_by_another(agents: Agents, project: Path) -> None:
    """What it left behind goes; when nothing is left, discarding again is a conflict."""
    plan = make(agents, project)
    agents("plan", "execute", plan)
    sandbox = agents.ask("plan", "show", plan)["result"]["sandbox"]
    with connect() as client:
        plans.set_state(client.db, plan, PlanState.DISCARDED, set(PlanState))

    assert agents("plan", "discard", plan).code == 0
    assert not Path(sandbox).exists()
    assert agents("plan", "discard", plan).code == 4


def test_a_revert_that_was_killed_before_the_store_knew_is_finished_by_another(
    agents: Agents, project: Path, home: Home
) -> None:
    """Everything is back in place; only the plan's state is still to be stored."""
    plan = make(agents, project)
    agents("plan", "execute", plan)
    agents("plan", "apply", plan)
    home.state.finished_apply_journal(plan).rename(home.state.apply / f"{plan}.reverted.json")
    (project / "VERSION").write_text("1.0\n")

    assert "0 files put back" in agents("plan", "revert", plan).out
    assert agents.ask("plan", "status", plan)["state"] == "ready"
    assert agents("plan", "revert", plan).code == 4


def test_a_revert_over_a_later_change_writes_nothing(agents: Agents, project: Path) -> None:
    """It says which file, and where what stood before is kept."""
    plan = make(agents, project)
    agents("plan", "execute", plan)
    agents("plan", "apply", plan)
    (project / "VERSION").write_text("mine\n")
    said = agents("plan", "revert", plan)

    assert (said.code, "changed since the apply: VERSION" in said.err) == (4, True)
    assert f"refs/agents/{plan}/apply/before" in said.err
    show = ("git", "show", f"refs/agents/{plan}/apply/before:VERSION")
    assert subprocess.run(show, cwd=project, capture_output=True, check=True).stdout == b"1.0\n"
    assert (project / "VERSION").read_text() == "mine\n"
    assert agents.ask("plan", "status", plan)["state"] == "applied"


@pytest.fixture
def ready_plan(agents: Agents, project: Path) -> str:
    """A plan with a change to show."""
    plan = make(agents, project)
    assert agents("plan", "execute", plan).code == 0
    return plan


def on_a_terminal(home: Home, project: Path, *words: str, **environ: str) -> str:
    """What ``agents plan diff`` writes to a terminal, where it has to succeed."""
    terminal = Terminal([str(AGENTS), "plan", "diff", *words], {**home.environ, **environ}, project)
    try:
        assert terminal.wait(20) == 0, terminal.screen
    finally:
        terminal.end()
    return terminal.screen


@pytest.mark.parametrize(
    ("environ", "config", "mark"),
    [
        ({"PAGER": "sed s/^/pager:/"}, "", "pager:"),
        ({"PAGER": "false", "GIT_PAGER": "sed s/^/git:/"}, "", "git:"),
        ({"PAGER": "false"}, "sed s/^/core:/", "core:"),
        ({"PAGER": "echo $LESS; cat"}, "", "FRX"),
        ({"PAGER": "echo $LESS; cat", "LESS": "mine"}, "", "mine"),
    ],
)
def test_a_diff_on_a_terminal_goes_through_the_pager_of_git(
    ready_plan: str, home: Home, project: Path, environ: dict[str, str], config: str, mark: str
) -> None:
    """In colour; and not if that is not wanted."""
    if config:
        subprocess.run(("git", "config", "core.pager", config), cwd=project, check=True)
    screen = on_a_terminal(home, project, ready_plan, **environ)

    assert mark in screen
    assert "\x1b[32m2.0" in screen
    assert mark not in on_a_terminal(home, project, "--no-pager", ready_plan, **environ)


@pytest.mark.parametrize("pager", ["head -n 1", "true", "cat", "", "no-such-program-anywhere"])
def test_a_pager_that_is_left_early_or_is_none_is_no_error(
    ready_plan: str, home: Home, project: Path, pager: str
) -> None:
    """Without a pager that runs, the diff is written as it is."""
    screen = on_a_terminal(home, project, ready_plan, PAGER=pager)

    assert ("@@ -1 +1 @@" in screen) == (pager not in {"head -n 1", "true"})
    assert "Traceback" not in screen
    assert "Error" not in screen


def test_control_c_in_the_pager_is_the_pagers(ready_plan: str, home: Home, project: Path) -> None:
    """It is still there afterwards, and its own end is the end."""
    pager = "trap 'echo caught; exit 0' INT; cat; echo paging; while :; do sleep 0.05; done"
    environ = {**home.environ, "PAGER": pager}
    terminal = Terminal([str(AGENTS), "plan", "diff", ready_plan], environ, project)
    try:
        terminal.wait_for_text("paging", 20)
        terminal.press_control_c()
        assert terminal.wait(15) == 0, terminal.screen
    finally:
        terminal.end()
    assert "caught" in terminal.screen


def test_a_signal_during_a_revert_comes_too_late() -> None:
    """What was asked for is done and is said; if it fails, the signal counts."""
    with undisturbed():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)

    def fail() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            raise OSError

    with pytest.raises(KeyboardInterrupt):
        fail()


def test_the_schema_of_plans_is_printed(agents: Agents) -> None:
    """As it is, so that it can be redirected into a file; or where it is."""
    said = agents("plan", "schema")

    assert json.loads(said.out)["title"] == "agentsd plan"
    assert agents.ask("plan", "schema") == json.loads(said.out)
    assert Path(agents("plan", "schema", "--path").out.strip()).read_text() == said.out


def test_names_that_would_steer_a_terminal_are_shown_harmless(agents: Agents, project: Path) -> None:
    """A file's name may be anything: in conflicts and lists it is one line of plain text."""
    text = "name: odd\nsteps:\n  - run: |\n      echo x > \"$(printf 'a\\nb\\033c')\"\n"
    plan = make(agents, project, text)
    agents("plan", "execute", plan)

    assert r"added     a\nb\x1bc" in agents("plan", "apply", "--check", plan).out
    (project / "a\nb\x1bc").write_text("mine")
    assert r"contents: a\nb\x1bc" in agents("plan", "apply", plan).err
