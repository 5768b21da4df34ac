"""What stays behind: told apart rightly, captured before it goes, and nothing of a stranger's removed."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.killing import die, in_a_child_that_dies, killed_at_change
from support.plan_lab import Lab

from agentsd.errors import ConflictError, JobCancelled, SandboxError, StepFailedError
from agentsd.model import JSON
from agentsd.plans import claims, journal, refs, sandbox, snapshot, upkeep
from agentsd.plans.durable import temporary_beside, write_durably
from agentsd.plans.execute import execute
from agentsd.plans.journal import Journal
from agentsd.plans.lock import repository_lock
from agentsd.plans.sandbox import Sandbox, recorded
from agentsd.plans.upkeep import PlanFacts


def abandoned(lab: Lab, plan_id: str = "PLAN", job_id: str = "JOB") -> Sandbox:
    """A sandbox as a job leaves it that was killed while its steps ran."""
    box = lab.make_sandbox("worktree", plan_id, job_id)
    (box.path / "made").write_text("precious\n")
    return box


def leave_scratch(lab: Lab) -> None:
    """Be killed with a scratch folder in use."""
    with snapshot.scratch(lab.state) as folder:
        (folder / "index").touch()
        die()


def kinds(lab: Lab, **plans: PlanFacts) -> list[tuple[str, bool]]:
    return [(found.kind, found.removable) for found in upkeep.survey(lab.state, plans)]


@pytest.mark.parametrize(
    ("facts", "kind", "removable"),
    [
        (None, "forgotten", True),
        (PlanFacts("executing", frozenset({"JOB"})), "active", False),
        (PlanFacts("ready"), "kept", False),
        (PlanFacts("applying"), "kept", False),
        (PlanFacts("applied"), "leftover", True),
        (PlanFacts("failed", frozenset({"OTHER"})), "leftover", True),
    ],
)
def test_a_sandbox_is_judged_by_its_plan(
    lab: Lab, facts: PlanFacts | None, kind: str, removable: bool
) -> None:
    abandoned(lab)

    assert kinds(lab, **({"PLAN": facts} if facts else {})) == [(kind, removable)]


def test_a_folder_that_is_gone_and_one_half_made_are_told(lab: Lab) -> None:
    first, second = abandoned(lab), abandoned(lab, job_id="JOB2")
    sandbox.remove_tree(first.path)
    replace(second, complete=False).save()

    assert sorted(kinds(lab)) == [("incomplete", True), ("missing", True)]
    assert all(found.removable for found in upkeep.cleanup(lab.state, {}))
    assert sandbox.recorded(lab.state) == []
    assert lab.git("worktree", "list").count("\n") == 0


def test_what_nobody_recorded_is_told_and_stays(lab: Lab) -> None:
    box = abandoned(lab)
    stranger = box.path.parent / "stranger"
    lab.git("worktree", "add", "--quiet", "--detach", str(stranger))

    found = upkeep.survey(lab.state, {"PLAN": PlanFacts("ready")})
    assert [each.kind for each in found] == ["kept", "unknown", "stray worktree"]
    assert [each.path for each in found[1:]] == [str(stranger), str(stranger)]
    assert found[1].to_json()["removable"] is False

    assert upkeep.cleanup(lab.state, {"PLAN": PlanFacts("ready")}) == []
    assert stranger.is_dir()


def test_a_cleanup_captures_before_it_removes(lab: Lab) -> None:
    box = abandoned(lab)

    assert [found.kind for found in upkeep.cleanup(lab.state, {}, dry_run=True)] == ["forgotten"]
    assert box.path.is_dir()

    upkeep.cleanup(lab.state, {})
    assert not box.path.exists()
    assert lab.git("show", "refs/agents/PLAN/JOB/result:made") == "precious"


def test_a_cleanup_does_not_capture_twice(lab: Lab) -> None:
    box = abandoned(lab)
    upkeep.late_result(lab.state, "PLAN")
    (box.path / "made").unlink()

    upkeep.cleanup(lab.state, {})

    assert lab.git("show", "refs/agents/PLAN/JOB/result:made") == "precious"


def test_a_cleanup_says_what_resists(lab: Lab) -> None:
    box = abandoned(lab)
    sleeper = subprocess.Popen(["sleep", "60"], cwd=box.path)
    try:
        found = upkeep.cleanup(lab.state, {})
    finally:
        sleeper.kill()
        sleeper.wait()

    assert [(each.removable, "in use" in each.detail) for each in found] == [(False, True)]
    assert box.path.is_dir()


def test_a_cleanup_works_when_the_project_is_gone(lab: Lab) -> None:
    abandoned(lab)
    lab.project.rename(lab.folder / "elsewhere")

    assert kinds(lab) == [("forgotten", True)]
    upkeep.cleanup(lab.state, {})

    assert sandbox.recorded(lab.state) == []


def test_what_a_killed_process_left_goes_at_once_and_what_is_used_stays(lab: Lab) -> None:
    """Whoever uses something holds a lock on it; its age says nothing."""
    lab.execute(lab.shell("true"))
    for name in (f".agentsd-{'0' * 16}.tmp", "mine.tmp"):
        (lab.state / "apply").mkdir(exist_ok=True)
        (lab.state / "apply" / name).touch()
    in_a_child_that_dies(lambda: leave_scratch(lab))

    with snapshot.scratch(lab.state) as used:
        found = upkeep.survey(lab.state, {"PLAN": PlanFacts("ready")})
        assert [each.kind for each in found] == ["kept", "scratch", "scratch"]
        upkeep.cleanup(lab.state, {"PLAN": PlanFacts("ready")})
        assert list((lab.state / "scratch").iterdir()) == [used]
    assert [path.name for path in (lab.state / "apply").iterdir()] == ["mine.tmp"]


@pytest.mark.parametrize("work", ["execute", "apply"])
def test_the_next_job_takes_what_killed_ones_left(lab: Lab, work: str) -> None:
    plan = lab.shell("touch made")
    result = lab.execute(plan)
    box = abandoned(lab, job_id="KILLED")
    replace(box, complete=False).save()
    other = replace(box, job_id="OTHER", plan_id="OTHER", root=f"{box.root}-other", complete=False)
    other.path.mkdir()
    other.save()
    in_a_child_that_dies(lambda: leave_scratch(lab))

    if work == "execute":
        lab.execute(plan)
    else:
        lab.apply(plan, result, options={"sandbox_cleanup": "manual"})

    assert list((lab.state / "scratch").iterdir()) == []
    left = {each.job_id for each in sandbox.recorded(lab.state)}
    assert left >= {"OTHER", "JOB001"} and "KILLED" not in left


def test_a_cleanup_takes_what_a_killed_apply_left_in_the_project(lab: Lab) -> None:
    plan = lab.shell("echo x >> README; touch one two; mkdir d; touch d/three")
    result = lab.execute(plan)
    places = (lab.project,)
    numbers = iter(range(1, 20))
    while not list(lab.project.glob("d/.agentsd-*.tmp")):
        assert killed_at_change(next(numbers), places, lambda: lab.apply(plan, result))
    facts = {"PLAN": PlanFacts("applying")}

    with repository_lock(lab.repository(), lab.state):
        assert "temporary" not in dict(kinds(lab, **facts)), "somebody writes there now"
    assert dict(kinds(lab, **facts)) == {"kept": False, "scratch": True, "temporary": True}
    *_, gone = upkeep.cleanup(lab.state, facts)

    assert (gone.path, gone.plan_id, gone.removable) == (str(lab.project), "PLAN", True)
    assert list(lab.project.rglob(".agentsd-*")) == []
    assert lab.apply(plan, result)["resumed"]
    assert kinds(lab, PLAN=PlanFacts("applied")) == []


def test_a_temporary_file_of_a_living_process_is_not_swept(lab: Lab) -> None:
    """A step of a plan without a sandbox may be writing where an apply was killed."""
    plan = lab.shell("echo x >> README")
    result = lab.execute(plan)
    assert killed_at_change(2, (lab.project,), lambda: lab.apply(plan, result))
    dead, living = list(lab.project.glob(".agentsd-*.tmp")), temporary_beside(lab.project / "x")
    assert len(dead) == 1
    found = upkeep.survey(lab.state, {"PLAN": PlanFacts("applying")})
    assert [each.detail for each in found if each.kind == "temporary"] == [
        "1 temporary file that an apply left when it was killed; the plan can still be applied or reverted"
    ]

    def make() -> Path:
        living.touch()
        return living

    with claims.claimed(lab.project, make):
        lab.apply(plan, result)
        assert list(lab.project.glob(".agentsd-*.tmp")) == [living]
    living.unlink()


@pytest.mark.parametrize("error", [OSError(errno.EBADF, "no locks here"), BlockingIOError()])
def test_where_nothing_can_be_locked_age_decides(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """As on some network file systems. A lock that is held is no doubt at all."""
    for name in ("old", "young"):
        (lab.state / "scratch" / name).mkdir(parents=True)
    os.utime(lab.state / "scratch" / "old", (0, 0))

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("agentsd.plans.claims._WAIT_SECONDS", 0)
    monkeypatch.setattr("fcntl.flock", refuse)

    found = claims.abandoned(lab.state / "scratch", "*")
    assert [path.name for path in found] == ([] if isinstance(error, BlockingIOError) else ["old"])
    with snapshot.scratch(lab.state) as folder:
        assert folder.is_dir()


def test_who_makes_something_waits_for_who_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In between, what is made and not locked yet would look like nobody's."""
    judge = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(judge, fcntl.LOCK_EX)
    waited: list[float] = []

    def give_up_the_lock(seconds: float) -> None:
        assert list(tmp_path.iterdir()) == []
        waited.append(seconds)
        os.close(judge)

    monkeypatch.setattr("agentsd.plans.claims.time.sleep", give_up_the_lock)

    write_durably(tmp_path / "file", b"x")

    assert len(waited) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_while_somebody_makes_something_age_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is new may be made and not locked yet: its maker may be stopped just there."""
    for name in ("new", "old"):
        (tmp_path / name).touch()
    os.utime(tmp_path / "old", (0, 0))
    monkeypatch.setattr("agentsd.plans.claims._WAIT_SECONDS", 0)
    maker = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(maker, fcntl.LOCK_SH)
    meanwhile = claims.abandoned(tmp_path, "*")
    os.close(maker)

    assert [path.name for path in meanwhile] == ["old"]
    assert [path.name for path in claims.abandoned(tmp_path, "*")] == ["new", "old"]


def test_what_its_owner_removes_meanwhile_is_not_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def just_gone(_folder: Path, _pattern: str) -> list[Path]:
        return [tmp_path / "gone"]

    monkeypatch.setattr(Path, "glob", just_gone)

    assert claims.abandoned(tmp_path, "*", otherwise=lambda _: True) == []


def test_a_folder_that_is_not_there_is_said_by_what_is_made_in_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        write_durably(tmp_path / "nothing" / "file", b"x")


def test_what_cannot_be_looked_at_is_judged_by_its_age(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")

    assert claims.abandoned(tmp_path, "*") == []
    assert claims.abandoned(tmp_path, "*", otherwise=lambda _: True) == [tmp_path / "link"]
    assert claims.abandoned(tmp_path / "nothing", "*") == []


def test_work_of_a_killed_job_can_still_be_shown(lab: Lab) -> None:
    abandoned(lab)

    assert upkeep.late_result(lab.state, "PLAN", active_jobs=["JOB"]) is None
    result = upkeep.late_result(lab.state, "PLAN")

    assert result is not None
    assert (result["kind"], result["files"]) == ("partial", [{"path": "made", "status": "added"}])
    assert upkeep.late_result(lab.state, "PLAN") is None
    assert upkeep.late_result(lab.state, "OTHER") is None


def test_a_discard_takes_sandboxes_snapshots_and_journal(lab: Lab) -> None:
    plan = lab.shell("touch made")
    result = lab.execute(plan)
    lab.apply(plan, result, options={"sandbox_cleanup": "manual"})

    report = upkeep.discard(lab.state, "PLAN", lab.project)

    assert report["sandboxes"] == [result["sandbox"]]
    assert report["refs"][result["ref"]] == result["result"]
    assert refs.listed(lab.repository().git) == {}
    assert journal.latest(lab.state, "PLAN") is None
    assert not Path(result["sandbox"]).exists()
    assert upkeep.discard(lab.state, "PLAN", lab.project)["sandboxes"] == []


@pytest.mark.parametrize("gone", ["sandbox", "project"])
def test_a_discard_works_when_something_is_gone(lab: Lab, gone: str) -> None:
    box = abandoned(lab)
    if gone == "sandbox":
        sandbox.remove_tree(box.path)
    else:
        lab.project.rename(lab.folder / "elsewhere")

    upkeep.discard(lab.state, "PLAN", lab.project)

    assert sandbox.recorded(lab.state) == []
    if gone == "sandbox":
        assert lab.git("worktree", "list").count("\n") == 0


def test_a_half_applied_plan_is_not_discarded(lab: Lab) -> None:
    Journal(plan_id="PLAN", project=str(lab.project), result="r", before="a", after="b", operations=()).begin(
        lab.state
    )

    with pytest.raises(ConflictError, match="half applied"):
        upkeep.discard(lab.state, "PLAN", lab.project)


def test_a_folder_that_resists_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    box = abandoned(lab)

    def refuse(_: Path) -> None:
        raise PermissionError("not yours")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", refuse)
        with pytest.raises(SandboxError, match="not yours"):
            upkeep.discard(lab.state, "PLAN", lab.project)
    assert box.record.exists()


def test_a_link_is_never_followed_by_a_removal(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")

    sandbox.remove_tree(tmp_path / "link")
    sandbox.remove_tree(tmp_path / "nothing")

    assert (tmp_path / "kept").is_dir()


ENDS = {
    "succeeded": ("touch made", ()),
    "failed": ("touch made; exit 1", (StepFailedError,)),
    "cancelled": ("touch made; touch ../../../begun; sleep 60", (JobCancelled,)),
}


def executed(lab: Lab, end: str, cleanup: str) -> JSON:
    """The result of an execute that ends so, with ``sandbox.cleanup`` set so."""
    script, errors = ENDS[end]
    job = lab.job(lab.shell(script), options={"sandbox_cleanup": cleanup})
    if end == "cancelled":
        job.on_progress = lambda told: job.token.set() if told["steps"][0]["state"] == "running" else None
    try:
        return execute(job)
    except errors as error:
        return error.result


@pytest.mark.parametrize("cleanup", ["on_apply", "on_terminal", "manual"])
@pytest.mark.parametrize("end", list(ENDS))
def test_each_setting_of_cleanup_with_each_end(lab: Lab, end: str, cleanup: str) -> None:
    """The change is captured in any case; the sandbox stays or goes as was said, and cleanup takes the rest."""
    result = executed(lab, end, cleanup)
    stays = cleanup != "on_terminal"

    assert (result["kind"], result["sandbox_kept"]) == ("result" if end == "succeeded" else "partial", stays)
    assert lab.git("rev-parse", f"{result['ref']}") == result["result"]
    assert len(recorded(lab.state)) == stays == Path(result["sandbox"]).exists()
    if end == "succeeded":
        lab.apply(lab.shell("true"), result, options={"sandbox_cleanup": cleanup})
        assert len(recorded(lab.state)) == (cleanup == "manual")
    state = "applied" if end == "succeeded" else end
    gone = upkeep.cleanup(lab.state, {"PLAN": PlanFacts(state)})

    assert [each.kind for each in gone] == ["leftover"] * (
        cleanup == "manual" or (stays and end != "succeeded")
    )
    assert recorded(lab.state) == []
    assert lab.git("worktree", "list").count("\n") == 0
    assert lab.git("rev-parse", result["ref"]) == result["result"], (
        "what was captured stays until it is discarded"
    )


def test_a_discard_that_is_killed_in_the_middle_leaves_a_whole_plan_or_a_rest_that_goes(lab: Lab) -> None:
    """Before the store knows, the result is still there; afterwards, another discard takes it away."""
    plan = lab.shell("touch made")
    result = lab.execute(plan)

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upkeep.discard(lab.state, "PLAN", lab.project, settle=die)
    assert recorded(lab.state) == []
    lab.apply(plan, result)
    assert (lab.project / "made").exists()

    assert set(upkeep.discard(lab.state, "PLAN", lab.project)["refs"]) >= {result["ref"]}
    assert refs.listed(lab.repository().git) == {}
