"""Running steps: what they see, what they leave, how their ends are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.plan_lab import Job, Lab, result_of

from agentsd.errors import BadPayloadError, JobCancelled, SandboxError, StepFailedError
from agentsd.model import JSON
from agentsd.plans.durable import write_durably
from agentsd.plans.execute import execute
from agentsd.plans.steps import log_path, tail


def states(steps: list[dict[str, JSON]]) -> list[str]:
    return [step["state"] for step in steps]


def log(job: Job) -> str:
    return log_path(job.log_dir, 1).read_text()


def failed(job: Job) -> StepFailedError:
    with pytest.raises(StepFailedError) as caught:
        execute(job)
    return caught.value


def test_a_plan_changes_its_sandbox_and_not_the_project(lab: Lab) -> None:
    plan = lab.plan(
        """
steps:
  - run: "echo new > added; rm README"
  - {write: {path: deep/VERSION, content: "1.2"}}
"""
    )
    before = lab.untouchables()

    result = lab.execute(plan)

    assert result["kind"] == "result"
    assert result["files"] == [
        {"path": "README", "status": "deleted"},
        {"path": "added", "status": "added"},
        {"path": "deep/VERSION", "status": "added"},
    ]
    assert (result["insertions"], result["deletions"], result["empty"]) == (2, 3, False)
    assert states(result["steps"]) == ["succeeded", "succeeded"]
    assert lab.untouchables() == before
    assert sorted(path.name for path in lab.project.iterdir()) == [".git", "README"]


def test_a_step_sees_its_environment(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    monkeypatch.setenv("INHERITED", "yes")
    lab.write({"sub/file": "x"})
    plan = lab.plan(
        """
env: {A: plan, B: plan}
steps:
  - id: look
    run: env; pwd
    env: {B: step, GIT_PAGER: cat}
    working-directory: sub
"""
    )
    job = lab.job(plan)
    result = execute(job)

    seen = dict(line.split("=", 1) for line in log(job).splitlines() if "=" in line)
    assert (seen["A"], seen["B"], seen["INHERITED"], seen["GIT_PAGER"]) == ("plan", "step", "yes", "cat")
    assert "GIT_INDEX_FILE" not in seen
    assert seen["AGENTS_PLAN_ID"] == "PLAN"
    assert seen["AGENTS_JOB_ID"] == job.job.job_id
    assert seen["AGENTS_STEP"] == "look"
    assert seen["AGENTS_SANDBOX"] == result["sandbox"]
    assert log(job).splitlines()[-1] == f"{result['sandbox']}/sub"


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 3", 3), ("false | true", 1), ("false\necho never", 1), ("echo $unset; true", 0)],
)
def test_a_script_fails_as_in_github_actions(lab: Lab, script: str, code: int) -> None:
    job = lab.job(lab.shell(script))

    if code:
        assert f"ended with exit code {code}" in str(failed(job))
    else:
        execute(job)
    assert job.told[-1]["steps"][0]["exit_code"] == code


def test_without_bash_a_script_runs_in_sh(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    plan = lab.shell('echo "<$BASH_VERSION>"', f"env: {{PATH: {tmp_path}/bin}}")
    job = lab.job(plan)

    execute(job)

    assert log(job) == "<>\n"


def test_a_python_step_calls_a_function_of_the_working_directory(lab: Lab) -> None:
    lab.write(
        {
            "api/tools.py": (
                "import sys\n"
                "class Ns:\n"
                "  @staticmethod\n"
                "  def run(name, more=()):\n"
                "    print(name, list(more), sys.argv, 'agentsd' in sys.modules)\n"
                "    return 7\n"
            )
        }
    )
    plan = lab.plan(
        "steps: [{python: 'tools:Ns.run', working-directory: api, with: {name: ä, more: [1, null]}}]"
    )
    job = lab.job(plan)

    result = execute(job)

    assert log(job) == "ä [1, None] ['-c'] False\n7\n"
    assert result["empty"], "no bytecode is left behind"


def test_a_python_step_that_raises_fails(lab: Lab) -> None:
    lab.write({"tools.py": "def run():\n  raise ValueError('no such thing')\n"})
    job = lab.job(lab.plan("steps: [{python: 'tools:run'}]"))

    assert "exit code 1" in str(failed(job))
    assert "no such thing" in log(job)


def test_conditions_decide_what_runs_after_a_failure(lab: Lab) -> None:
    plan = lab.plan(
        """
steps:
  - {run: "true", if: failure()}
  - {run: "exit 1", continue-on-error: true}
  - {run: "true"}
  - {run: "exit 2", name: bad}
  - {run: "true"}
  - {run: "true", if: failure()}
  - {run: "exit 5", if: always()}
"""
    )
    job = lab.job(plan)

    error = failed(job)

    assert str(error) == "Step 4 (bad) ended with exit code 2."
    told = job.told[-1]["steps"]
    assert states(told) == [
        "skipped", "failed", "succeeded", "failed", "skipped", "succeeded", "failed",
    ]  # fmt: skip
    assert told[1]["continued"]
    assert not told[3]["continued"]


def test_a_step_is_tried_again_until_it_succeeds(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    plan = lab.plan("steps: [{run: 'echo x >> ../tries; test $(wc -l < ../tries) = 3', retries: 5}]")
    job = lab.job(plan)

    execute(job)

    assert job.told[-1]["steps"][0]["attempt"] == 3
    assert job.told[-1]["steps"][0]["error"] == ""
    assert "ended with exit code 1; try 2 of 6" in capsys.readouterr().out


def test_retries_run_out(lab: Lab) -> None:
    job = lab.job(lab.plan("steps: [{run: 'echo try; exit 1', retries: 1}]"))

    failed(job)

    assert log(job) == "try\ntry\n"


def test_a_step_ends_at_its_time_limit(lab: Lab) -> None:
    job = lab.job(lab.plan("steps: [{run: sleep 60, timeout-minutes: 0.001}]"))

    assert "did not end within 0.06 s" in str(failed(job))


def test_a_signal_is_named(lab: Lab) -> None:
    assert "was ended by SIGSEGV" in str(failed(lab.job(lab.shell("kill -SEGV $$"))))


def test_limits_hold_for_each_process(lab: Lab) -> None:
    plan = lab.shell(
        "ulimit -v; ulimit -S -t; ulimit -H -t; ulimit -n; nice",
        "limits: {memory: 1 GiB, cpu-seconds: 60, open-files: 64, nice: 3}",
    )
    job = lab.job(plan)

    execute(job)

    assert log(job).split() == ["1048576", "60", "65", "64", "3"]


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("{run: 'true', working-directory: nowhere}", "nowhere is not there"),
        ("{run: 'true', working-directory: link}", "leads out of the sandbox"),
        ("{write: {path: folder, content: ''}}", "it is a folder"),
        ("{write: {path: link/x, content: ''}}", "leads out of the sandbox"),
        ("{write: {path: README/x, content: ''}}", "could not run"),
    ],
)
def test_a_step_that_cannot_run_says_why(lab: Lab, step: str, problem: str) -> None:
    lab.write({"folder/file": "x"})
    (lab.project / "link").symlink_to("/")
    job = lab.job(lab.plan(f"steps: [{step}]"))

    assert problem in str(failed(job))
    assert problem in log(job)


def test_a_written_file_keeps_its_mode(lab: Lab) -> None:
    lab.write({"tool": "old"})
    (lab.project / "tool").chmod(0o755)
    result = lab.execute(lab.plan("steps: [{write: {path: tool, content: new}}]"))

    assert (Path(result["sandbox"]) / "tool").stat().st_mode & 0o777 == 0o755


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(IsADirectoryError):
        write_durably(tmp_path / "folder", b"x")

    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_progress_is_told_at_every_change(lab: Lab) -> None:
    job = lab.job(lab.plan("steps: [{run: 'true'}, {run: 'true'}]"))
    execute(job)

    seen = [(told["current"], *states(told["steps"])) for told in job.told]
    assert list(dict.fromkeys(seen)) == [
        (0, "waiting", "waiting"),
        (1, "running", "waiting"),
        (1, "succeeded", "waiting"),
        (2, "succeeded", "running"),
        (2, "succeeded", "succeeded"),
    ]
    last = job.told[-1]
    assert last["total"] == 2
    assert last["steps"][0]["started_at"] <= last["steps"][0]["finished_at"]
    json.dumps(job.told)


ALWAYS = """
steps:
  - {name: work, run: "touch made; sleep 60"}
  - {name: next, run: "touch never"}
  - {name: on failure, run: "touch never", if: failure()}
  - {name: tidy, run: "touch tidied", if: always()}
  - {name: note, write: {path: noted, content: x}, if: always()}
  - {name: endless, run: "touch begun; sleep 60", if: always()}
  - {name: late, run: "touch late", if: always()}
"""


@pytest.mark.parametrize("seconds", [0.5, 0.0])
def test_what_runs_always_runs_after_a_cancel_as_long_as_there_is_time(lab: Lab, seconds: float) -> None:
    job = lab.job(lab.plan(ALWAYS), last_seconds=seconds)

    def cancel(told: JSON) -> None:
        if told["steps"][0]["state"] == "running":
            job.token.set()

    job.on_progress = cancel
    with pytest.raises(JobCancelled) as caught:
        execute(job)

    changed = [each["path"] for each in result_of(caught.value)["files"]]
    told = job.told[-1]["steps"]
    assert result_of(caught.value)["steps"] == told
    if seconds:
        assert states(told) == [
            "cancelled", "skipped", "skipped", "succeeded", "succeeded", "failed", "succeeded",
        ]  # fmt: skip
        assert told[5]["error"] == "did not end in the time that was left"
        assert set(changed) - {"made"} == {"tidied", "noted", "begun", "late"}
    else:
        assert states(told) == ["cancelled", "skipped", "skipped", "cancelled", *["skipped"] * 3]
        assert set(changed) <= {"made"}


def test_a_cancelled_plan_keeps_its_partial_work(lab: Lab) -> None:
    plan = lab.plan("steps: [{run: 'echo x > made; sleep 60'}, {run: 'true'}]")
    job = lab.job(plan)

    def cancel_once_made(_: JSON) -> None:
        if job.told[-1]["current"] == 1:
            job.token.set()

    job.on_progress = cancel_once_made
    with pytest.raises(JobCancelled) as caught:
        execute(job)

    result = result_of(caught.value)
    assert result["kind"] == "partial"
    assert states(job.told[-1]["steps"]) == ["cancelled", "skipped"]


def test_a_failed_plan_keeps_its_partial_work(lab: Lab) -> None:
    error = failed(lab.job(lab.shell("echo x > made; exit 1")))

    result = result_of(error)
    assert result["kind"] == "partial"
    assert result["files"] == [{"path": "made", "status": "added"}]
    assert lab.git("show", f"{result['result']}:made") == "x"


def test_a_sandbox_that_its_own_step_removed_is_not_captured(lab: Lab) -> None:
    error = failed(lab.job(lab.shell('cd /; rm -rf "$AGENTS_SANDBOX"; exit 1')))

    result = result_of(error)
    assert result["result"] is None
    assert "is gone" in result["capture_error"]


def test_without_a_sandbox_a_plan_runs_in_the_project(lab: Lab) -> None:
    plan = lab.shell("echo x > made", "sandbox: none")

    result = lab.execute(plan)

    assert lab.read("made") == "x\n"
    assert (result["strategy"], result["sandbox"], result["empty"]) == ("none", None, True)


def test_without_a_sandbox_a_failure_still_tells_the_steps(lab: Lab) -> None:
    error = failed(lab.job(lab.shell("exit 1", "sandbox: none")))

    result = result_of(error)
    assert states(result["steps"]) == ["failed"]


@pytest.mark.parametrize("sandbox", ["none", "worktree"])
def test_a_project_that_is_gone_is_named(lab: Lab, sandbox: str) -> None:
    plan = lab.shell("true", f"sandbox: {sandbox}")
    lab.project.rename(lab.folder / "elsewhere")

    with pytest.raises(SandboxError, match="is not there any more"):
        lab.execute(plan)


def test_a_job_without_a_plan_is_refused(lab: Lab) -> None:
    job = lab.job(lab.shell("true"))
    job.plan = None

    with pytest.raises(BadPayloadError, match="works on a plan"):
        execute(job)


def test_the_tail_of_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "nothing") == []


def test_the_tail_is_the_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"{number}\n" for number in range(10_000)))

    assert tail(tmp_path / "log") == [str(number) for number in range(9980, 10_000)]


def test_nothing_of_the_job_is_in_the_working_directory(lab: Lab) -> None:
    """The sandbox holds the project and nothing else: no lease, no log."""
    result = lab.execute(lab.shell("true"))

    assert sorted(path.name for path in Path(result["sandbox"]).iterdir()) == [".git", "README"]
