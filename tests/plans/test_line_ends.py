"""A path counts as changed only if the steps changed it, however git stores it and whenever git last looked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.plan_lab import Lab

from agentsd.plans import capture, snapshot
from agentsd.plans.sandbox import Sandbox

EVERY = ["worktree", "clone", "copy"]


def changed(lab: Lab, box: Sandbox) -> list[str]:
    found = capture.capture(lab.repository(), lab.state, box).changes
    return [each.path for each in found.files]


def age(index: Path, racy: bool, files: list[Path]) -> None:
    """Make the index as old as the files (then git reads them again) or much younger (then it trusts it)."""
    newest = max(file.stat().st_mtime_ns for file in files)
    moment = newest if racy else newest + 10**12
    os.utime(index, ns=(moment, moment))


@pytest.fixture
def odd(lab: Lab) -> Lab:
    """Files that a checkout and an add do not bring back: CRLF where LF is stored by now, filters of four kinds."""
    lab.write(
        {"dos.txt": b"a\r\nb\r\n", "grow.grow": "g\n", "salt.salt": "s\n", "date.date": "d\n", "plain": "p\n"}
    )
    lab.commit()
    lab.git("config", "filter.grow.clean", "cat; echo grown")
    lab.git("config", "filter.salt.clean", "cat; date +%N")
    lab.git("config", "filter.salt.smudge", "head -n 1")
    lab.git("config", "filter.date.smudge", "cat; date +%N")
    lab.git("config", "filter.date.clean", "head -n 1")
    attributes = "*.txt text\n*.grow filter=grow\n*.salt filter=salt\n*.date filter=date\n"
    lab.write({".gitattributes": attributes})
    lab.git("add", ".gitattributes")
    lab.git("commit", "--quiet", "--message=attributes")
    return lab


@pytest.mark.parametrize("racy", [True, False])
@pytest.mark.parametrize("strategy", EVERY)
def test_what_nobody_touched_is_unchanged(odd: Lab, strategy: str, racy: bool) -> None:
    box = odd.make_sandbox(strategy)
    (box.path / "made").touch()
    age(box.index, racy, [each for each in box.path.iterdir() if each.is_file()])

    assert changed(odd, box) == ["made"]


@pytest.mark.parametrize("strategy", EVERY)
def test_what_was_written_again_as_it_was_is_unchanged(odd: Lab, strategy: str) -> None:
    script = (
        "for f in dos.txt grow.grow salt.salt date.date plain; do cp $f x; rm $f; mv x $f; touch $f; done"
    )
    assert odd.execute(odd.shell(script, f"sandbox: {strategy}"))["empty"]


@pytest.mark.parametrize("strategy", EVERY)
def test_new_attributes_change_only_the_file_that_has_them(lab: Lab, strategy: str) -> None:
    lab.write({"dos.txt": b"a\r\nb\r\n"})
    lab.commit()
    script = "echo '*.txt text' > .gitattributes; cp dos.txt x; rm dos.txt; mv x dos.txt"

    result = lab.execute(lab.shell(script, f"sandbox: {strategy}"))

    assert [file["path"] for file in result["files"]] == [".gitattributes"]


@pytest.mark.parametrize("strategy", EVERY)
def test_what_was_changed_is_changed(odd: Lab, strategy: str) -> None:
    names = ["date.date", "dos.txt", "grow.grow", "plain", "salt.salt"]
    script = f"for f in {' '.join(names)}; do (echo new; cat $f) > x; mv x $f; done"
    result = odd.execute(odd.shell(script, f"sandbox: {strategy}"))

    assert [file["path"] for file in result["files"]] == names


def test_a_new_mode_alone_keeps_the_content_that_is_stored(odd: Lab) -> None:
    result = odd.execute(odd.shell("chmod +x dos.txt grow.grow"))

    assert [file["path"] for file in result["files"]] == ["dos.txt", "grow.grow"]
    assert (result["insertions"], result["deletions"]) == (0, 0)


@pytest.mark.parametrize("racy", [True, False])
def test_the_project_itself_gives_one_snapshot_whenever_git_last_looked(odd: Lab, racy: bool) -> None:
    odd.write({"plain": "edited\n"})
    age(odd.project / ".git/index", racy, [each for each in odd.project.iterdir() if each.is_file()])

    tree = snapshot.of_project(odd.repository(), odd.state, parents=[], message="x").tree

    assert odd.git("diff", "--name-only", "HEAD", tree) == "plain"


@pytest.mark.parametrize("racy", [True, False])
def test_such_files_are_no_conflict_when_a_change_of_them_is_applied(odd: Lab, racy: bool) -> None:
    plan = odd.shell("printf 'c\\r\\n' >> dos.txt; echo x >> plain")
    result = odd.execute(plan)
    age(odd.project / ".git/index", racy, [each for each in odd.project.iterdir() if each.is_file()])

    report = odd.apply(plan, result)

    assert [each["path"] for each in report["files"]] == ["dos.txt", "plain"]
    assert odd.read("plain") == "p\nx\n"
