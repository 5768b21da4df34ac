"""Random projects, edits by a plan and by the user, and a kill at a random write: the tree is git's, or untouched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.plan_lab import Lab

from agentsd.errors import ApplyConflictError
from agentsd.plans import capture, journal, lifecycle, snapshot
from agentsd.plans.changes import Entry, entries
from agentsd.plans.repository import Repository, open_repository
from agentsd.plans.revert import revert
from agentsd.plans.sandbox import Request

NAMES = st.sampled_from(["a", "b", "d/x", "d/y", "d/e/z", "q\tü", "new\nline"])
LINES = st.lists(
    st.sampled_from(["one\n", "two\n", "three\r\n", "\0\n", "long " * 9 + "\n"]), max_size=9
).map("".join)
FILES = st.dictionaries(NAMES, LINES, max_size=6)
EDITS = st.lists(
    st.tuples(st.sampled_from(["write", "append", "delete", "link", "exec", "folder"]), NAMES, LINES),
    max_size=5,
)


def edit(root: Path, edits: list[tuple[str, str, str]]) -> None:
    """Carry out random edits; one that does not fit the tree as it is does nothing."""
    for what, name, text in edits:
        path = root / name
        try:
            if what == "delete" or (what == "link" and path.is_file()):
                path.unlink()
            if what == "folder" and path.is_file():
                path.unlink()
                path.mkdir()
                (path / "inside").write_text(text)
            elif what == "link":
                path.symlink_to(text.strip("\0\r\n").split("\n")[0] or "nowhere")
            elif what == "exec":
                path.chmod(0o755)
            elif what in {"write", "append"}:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("ab" if what == "append" else "wb") as file:
                    file.write(text.encode())
        except (OSError, ValueError):
            continue


def merged_by_git(lab: Lab, ours: str, theirs: str) -> str | None:
    """The tree of an ordinary `git merge` in a clone; None if it conflicts."""
    clone = lab.folder / "clone"
    run = [
        "git",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "core.hooksPath=/dev/null",
        "-C",
        str(clone),
    ]
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", "--shared", lab.project, clone], check=True)
    subprocess.run([*run, "checkout", "--quiet", "--detach", ours], check=True)
    merge = subprocess.run(
        [*run, "merge", "--quiet", "--no-edit", "--no-ff", theirs], capture_output=True, check=False
    )
    if merge.returncode:
        return None
    tree = subprocess.run([*run, "rev-parse", "HEAD^{tree}"], capture_output=True, check=True)
    return tree.stdout.decode().strip()


def kill_at(number: int, lab: Lab, applied: dict[str, object]) -> None:
    """Apply in a child that is killed at its *number*-th change of a name in the project."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    left = number

    def strike(name: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if name in {"os.rename", "os.remove", "os.mkdir"} and str(lab.project) in str(args[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(strike)
        lab.apply(lab.shell("true"), applied)
    finally:
        os._exit(0)


def now(repo: Repository, state: Path, parent: str | None = None) -> snapshot.Snapshot:
    return snapshot.of_project(repo, state, parents=[parent] if parent else [], message="test")


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(base=FILES, before=EDITS, plan=EDITS, user=EDITS, staged=st.booleans(), kill=st.integers(0, 9))
@example(  # half of it looks like files that were renamed into each other
    base={"a": "", "b": "", "new\nline": "one\n" * 5 + "long " * 8 + "\none\none\n", "d/x": "one\n" * 8},
    before=[("write", "q\tü", ""), ("write", "a", "one\n" * 8)],
    plan=[
        ("write", "a", ""),
        ("folder", "q\tü", "one\n" + "long " * 8 + "\n" + "one\n" * 5),
        ("exec", "a", "one\n" * 8),
        ("folder", "new\nline", ""),
        ("write", "a", ""),
    ],
    user=[],
    staged=False,
    kill=5,
)
def test_an_apply_is_the_merge_that_git_makes(
    state_root: Path,
    base: dict[str, str],
    before: list[tuple[str, str, str]],
    plan: list[tuple[str, str, str]],
    user: list[tuple[str, str, str]],
    staged: bool,
    kill: int,
) -> None:
    with TemporaryDirectory() as folder, TemporaryDirectory(dir=state_root) as state:
        lab = Lab(Path(folder), Path(state))
        lab.start_git({"kept": "kept\n"} | base)
        edit(lab.project, before)
        repo = open_repository(lab.project, lab.state)
        box = lifecycle.create(repo, lab.state, Request(plan_id="P", job_id="J", strategy="worktree"))
        edit(box.path, plan)
        theirs = capture.capture(repo, lab.state, box).commit
        edit(lab.project, user)
        if staged:
            lab.git("add", "--all")
        ours = now(repo, lab.state, box.base)
        wanted = merged_by_git(lab, ours.commit, theirs)
        fixed = lab.untouchables()
        result: dict[str, object] = {"base": box.base, "result": theirs}
        if kill:
            kill_at(kill, lab, result)

        if wanted is None:
            with pytest.raises(ApplyConflictError):
                lab.apply(lab.shell("true"), result)
            assert now(repo, lab.state).tree == ours.tree
            assert journal.latest(lab.state, "PLAN") is None
        else:
            lab.apply(lab.shell("true"), result)
            assert now(repo, lab.state).tree == wanted
            if kill == 0 or journal.latest(lab.state, "PLAN"):
                revert(lab.state, "PLAN")
        assert lab.untouchables() == fixed
        if kill == 0:
            assert tree_of(repo, lab.state) == entries(repo.git, ours.commit)


def tree_of(repo: Repository, state: Path) -> dict[str, Entry]:
    return entries(repo.git, now(repo, state).commit)
