"""Sandboxes in which something else stands than what a plan can keep: said clearly, nothing lost, the project untouched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.killing import killed_at_change
from support.plan_lab import Lab, result_of

from agentsd.errors import ApplyConflictError, SandboxError, StepFailedError
from agentsd.plans import sandbox, upkeep
from agentsd.plans.apply import check
from agentsd.plans.revert import revert
from agentsd.plans.upkeep import PlanFacts

EVERY = ["worktree", "clone", "copy"]
REPLACED = 'cd /; mv "$AGENTS_SANDBOX" "$AGENTS_SANDBOX.moved"; ln -s {} "$AGENTS_SANDBOX"'


def listing(project: Path) -> list[tuple[str, int]]:
    """Every path of the project with the moment of its last change."""
    return sorted(
        (str(path), path.lstat().st_ctime_ns) for path in project.rglob("[!.]*") if ".git" not in path.parts
    )


@pytest.mark.parametrize("strategy", EVERY)
def test_a_sandbox_that_became_a_link_to_the_project_is_refused(lab: Lab, strategy: str) -> None:
    plan = lab.plan(
        f"sandbox: {strategy}\nsteps:\n  - run: |\n      touch precious\n      {REPLACED.format(lab.project)}\n"
        "  - {run: touch broken, if: always()}\n"
        "  - {write: {path: broken, content: x}, if: always()}\n"
    )
    before = listing(lab.project)

    with pytest.raises(StepFailedError, match="was replaced by a symbolic link") as caught:
        lab.execute(plan)

    result = result_of(caught.value)
    assert (result["kind"], result["result"], result["empty"]) == ("partial", None, True)
    assert "was replaced by a symbolic link" in result["capture_error"]
    assert listing(lab.project) == before
    assert Path(f"{result['sandbox']}.moved/precious").is_file()


def test_a_link_in_a_sandboxes_place_is_no_empty_change(lab: Lab) -> None:
    with pytest.raises(SandboxError, match="was replaced by a symbolic link, so there is nothing to capture"):
        lab.execute(lab.shell(REPLACED.format(lab.project)))


def test_only_the_link_goes_that_took_a_sandboxes_place(lab: Lab) -> None:
    plan = lab.shell("touch new")
    result = lab.execute(plan)
    place = Path(result["sandbox"])
    sandbox.remove_tree(place)
    place.symlink_to(lab.project)
    before = listing(lab.project)

    assert [
        (each.kind, each.detail) for each in upkeep.survey(lab.state, {"PLAN": PlanFacts("applied")})
    ] == [("missing", "a link has taken the place of its folder")]
    assert upkeep.late_result(lab.state, "PLAN") is None
    upkeep.cleanup(lab.state, {"PLAN": PlanFacts("applied")})

    assert not os.path.lexists(place)
    assert listing(lab.project) == before
    assert [file["path"] for file in lab.apply(plan, result)["files"]] == ["new"]


SPECIAL = {
    "pipe": "rm README; mkfifo README",
    "socket": "rm README; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"README\")'",
}


@pytest.mark.parametrize("strategy", EVERY)
@pytest.mark.parametrize("script", SPECIAL.values(), ids=SPECIAL)
def test_a_pipe_or_socket_in_a_files_place_is_refused_by_name(lab: Lab, script: str, strategy: str) -> None:
    with pytest.raises(
        SandboxError, match=r"pipes, sockets or devices in the place of files.*: README"
    ) as caught:
        lab.execute(lab.shell(f"touch made; {script}", f"sandbox: {strategy}"))

    result = result_of(caught.value)
    assert (result["kind"], result["refused"], result["sandbox_kept"]) == ("partial", ["README"], True)
    assert [file["path"] for file in result["files"]] == ["made"]


def test_a_pipe_beside_the_files_is_nothing(lab: Lab) -> None:
    result = lab.execute(lab.shell("mkfifo pipe; touch made"))

    assert [file["path"] for file in result["files"]] == ["made"]


@pytest.mark.parametrize("script", ["echo x >> README", "rm README"])
def test_a_pipe_in_the_project_is_in_the_way_and_stays(lab: Lab, script: str) -> None:
    plan = lab.shell(f"{script}; touch made")
    result = lab.execute(plan)
    (lab.project / "README").unlink()
    os.mkfifo(lab.project / "README")
    before = listing(lab.project)

    with pytest.raises(ApplyConflictError, match="special file in the way: README"):
        lab.apply(plan, result)
    assert listing(lab.project) == before

    other = lab.execute(lab.shell("cat README"), plan_id="OTHER")
    assert other["empty"], "a plan starts from the file that git knows"


def edited(lab: Lab) -> Path:
    """A sandbox that was kept and that somebody has corrected by hand."""
    [box] = sandbox.recorded(lab.state)
    (box.path / "README").write_text("corrected by hand\n")
    (box.path / "note").write_text("new\n")
    (box.path / "made").unlink()
    return box.path


@pytest.mark.parametrize("strategy", EVERY)
def test_edits_in_a_kept_sandbox_are_not_dropped(
    lab: Lab, strategy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = lab.shell("echo x >> README; touch made", f"sandbox: {strategy}")
    result = lab.execute(plan)
    place = edited(lab)
    before = listing(lab.project)

    for refused in (lambda: lab.apply(plan, result), lambda: check(lab.state, lab.request(plan, result))):
        with pytest.raises(ApplyConflictError) as caught:
            refused()
        kind = "edited in the sandbox since its capture"
        assert list(caught.value.conflicts) == [(kind, "README"), (kind, "made"), (kind, "note")]
    assert listing(lab.project) == before

    lab.apply(plan, result, payload={"as_captured": True})
    assert lab.read("README").endswith("x\n")
    assert (place / "README").read_text() == "corrected by hand\n"
    assert (
        "was edited since its change was captured (README, made, note); it stays" in capsys.readouterr().out
    )

    [kept] = upkeep.cleanup(lab.state, {"PLAN": PlanFacts("applied")})
    assert not kept.removable and "agents plan discard PLAN" in kept.detail
    upkeep.discard(lab.state, "PLAN", lab.project)
    assert not place.exists()


def test_a_half_done_apply_is_finished_whatever_was_edited(lab: Lab) -> None:
    plan = lab.shell("echo x >> README; touch made other")
    result = lab.execute(plan)
    assert killed_at_change(5, (lab.project,), lambda: lab.apply(plan, result))
    edited(lab)

    assert lab.apply(plan, result)["resumed"]
    assert len(sandbox.recorded(lab.state)) == 1


def test_what_the_project_ignores_by_now_is_no_edit(lab: Lab) -> None:
    plan = lab.shell("echo x > made")
    result = lab.execute(plan)
    lab.write({".git/info/exclude": "made\n"})

    lab.apply(plan, result)

    assert sandbox.recorded(lab.state) == []


def test_what_is_stored_otherwise_each_time_is_no_edit(lab: Lab) -> None:
    """As with a filter that encrypts: what comes out of it is what counts."""
    lab.git("config", "filter.salt.clean", "date +%N; cat")
    lab.git("config", "filter.salt.smudge", "tail -n +2")
    lab.write({".gitattributes": "*.salt filter=salt\n", "a.salt": "one\n"})
    lab.commit()
    plan = lab.shell("echo two >> a.salt; echo new > b.salt")
    result = lab.execute(plan)

    assert [file["path"] for file in lab.apply(plan, result)["files"]] == ["a.salt", "b.salt"]
    assert (lab.read("a.salt"), lab.read("b.salt")) == ("one\ntwo\n", "new\n")
    assert sandbox.recorded(lab.state) == []


def test_an_apply_captures_what_an_older_attempt_left(lab: Lab) -> None:
    """Its job was killed; the newer attempt was applied, and no work goes with the sandboxes."""
    plan = lab.shell("touch made")
    lab.execute(plan)
    lab.git("update-ref", "-d", "refs/agents/PLAN/JOB001/result")
    result = lab.execute(plan)

    lab.apply(plan, result)

    assert sandbox.recorded(lab.state) == []
    assert lab.git("ls-tree", "--name-only", "refs/agents/PLAN/JOB001/result").splitlines() == [
        "README",
        "made",
    ]
    revert(lab.state, "PLAN")
