"""Random projects, plans, user's work and kills: the files are what git would make of them, or nothing was written.

``AGENTSD_TEST_EXAMPLES=1000`` makes it a long run; ``--hypothesis-show-statistics`` says what was met how often.
``AGENTSD_TEST_SHRINK=1`` looks for the smallest story that fails, which takes minutes.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, example, given, settings
from hypothesis import strategies as st
from support.judge import Files, Judge, Merge, files_in, private_files
from support.killing import killed_at_change
from support.plan_lab import Ended, Job, Lab

from agentsd.errors import ApplyConflictError, ConflictError
from agentsd.plans.apply import apply
from agentsd.plans.execute import execute
from agentsd.plans.revert import revert

EXAMPLES = int(os.environ.get("AGENTSD_TEST_EXAMPLES", "22"))
PHASES = set(Phase) - ({Phase.shrink, Phase.explain} if "AGENTSD_TEST_SHRINK" not in os.environ else set())

NAMES = [
    *("a", "b", "d/x", "d/y", "d/e/z", "-rf", "two words", " lead", "new\nline", 'ü\t"q"', ":(top)a", "*.py"),
    *(os.fsdecode(b"not \xff utf-8/\xfe"), "dos.crlf", "d/mixed.crlf", "filtered.up", "lossy.one", "some.ign", ".gitignore"),
]  # fmt: skip
ATTRIBUTES = "*.crlf text eol=crlf\n*.up filter=up\n*.one filter=one\n"
BLOCKS = ["one\n", "two\n", "three\r\n", "\0\n", "long " * 9 + "\n", "no end of line", "*.ign\n"]
LINES = st.lists(st.sampled_from(BLOCKS), max_size=9).map("".join)
Edit = tuple[str, str, str]
WRITES = ["write", "append", "prepend", "delete", "link", "exec", "private", "folder", "move"]
INDEX = ["stage", "intend", "forget"]
HISTORY = ["commit", "branch", "detach", "stash", "pop"]


@dataclass(frozen=True)
class Story:
    """One example: what is there, what everybody does, and where the kills fall."""

    base: dict[str, str]
    before: list[Edit]
    plan: list[Edit]
    user: list[Edit]
    strategy: str
    kills: list[tuple[str, int]]
    ending: str


@st.composite
def kills(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Up to three attempts that are killed before their n-th change; the first one is an apply."""
    attempt = st.tuples(st.sampled_from(["apply", "revert"]), st.integers(1, 10))
    drawn = draw(st.lists(attempt, max_size=3))
    return [("apply", number) if at == 0 else (what, number) for at, (what, number) in enumerate(drawn)]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A story about few names, so that what is done by one meets what is done by another."""
    names = st.sampled_from(draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=6, unique=True)))

    def edits(kinds: list[str], most: int) -> list[Edit]:
        return draw(st.lists(st.tuples(st.sampled_from(kinds), names, LINES), max_size=most))

    return Story(
        base=draw(st.dictionaries(names, LINES, max_size=6)),
        before=edits([*WRITES, *INDEX, *HISTORY], 5),
        plan=edits([*WRITES, *WRITES, "commit", "branch", "stash", "pop"], 5),
        user=edits([*WRITES, *WRITES, *INDEX, *HISTORY], 4),
        strategy=draw(st.sampled_from(["worktree", "worktree", "clone"])),
        kills=draw(kills()),
        ending=draw(st.sampled_from(["apply", "apply", "revert"])),
    )


def carry_out(root: Path, wanted: Sequence[Edit]) -> None:
    """Carry out edits in *root*; one that does not fit the tree as it is does nothing."""
    for what, name, text in wanted:
        try:
            if what in WRITES:
                edit(root / name, what, text)
            else:
                use_git(root, what, name)
        except (OSError, ValueError, subprocess.CalledProcessError):
            continue


def edit(path: Path, what: str, text: str) -> None:
    if what in {"delete", "link"} or (what == "folder" and path.is_file()):
        path.unlink(missing_ok=what == "link")
    if what == "folder":
        path.mkdir()
        (path / "inside").write_text(text, newline="")
    elif what == "link":
        path.symlink_to(text.strip("\0\r\n").split("\n")[0] or "nowhere")
    elif what == "exec":
        path.chmod(path.stat().st_mode ^ 0o111)
    elif what == "private":
        path.chmod(path.stat().st_mode & 0o700)
    elif what == "move":
        path.rename(path.with_name("moved"))
    elif what != "delete":
        path.parent.mkdir(parents=True, exist_ok=True)
        old = path.read_bytes() if what != "write" and path.is_file() else b""
        new = text.encode()
        path.write_bytes(new + old if what == "prepend" else old + new)


def use_git(root: Path, what: str, name: str) -> None:
    commands = {
        "stage": [["add", "--all", "--", f":(literal){name}"]],
        "intend": [["add", "--intent-to-add", "--", f":(literal){name}"]],
        "forget": [["rm", "--cached", "-r", "--quiet", "--", f":(literal){name}"]],
        "commit": [["add", "--all"], ["commit", "--quiet", "--allow-empty", "-m", "a commit"]],
        "branch": [["checkout", "--quiet", "-b", "other"], ["checkout", "--quiet", "other"]],
        "detach": [["checkout", "--quiet", "--detach"]],
        "stash": [["stash", "push", "--quiet", "--include-untracked"]],
        "pop": [["stash", "pop", "--quiet"]],
    }
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for words in commands[what]:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        subprocess.run(command, cwd=root, env=env, check=what == "commit", capture_output=True)


def permissions_in(folder: Path) -> dict[str, str]:
    """The permission bits of everything below *folder*, but for ``.git`` at its top and for links."""
    found: dict[str, str] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if (place, name) != (str(folder), ".git")]
        for path in (Path(place, name) for name in (*folders, *names)):
            if not path.is_symlink():
                found[str(path.relative_to(folder))] = oct(path.stat().st_mode)
    return found


class Scene:
    """A project, a plan for it that was executed, and everything that has to hold about its apply."""

    def __init__(self, lab: Lab, story: Story) -> None:
        self.lab, self.story = lab, story
        self.base = self.theirs = ""
        self._begin()
        (lab.folder / "judge").mkdir()
        self.judge = Judge(lab.project, lab.folder / "judge")
        self.index = lab.project / ".git" / "index"
        self.plan = lab.shell("true", f"sandbox: {story.strategy}")
        self.result = self._execute()
        carry_out(lab.project, story.user)
        self.ours = self.judge.commit(lab.project, self.index, self.base)
        self.merged = self.judge.merge(self.ours, self.theirs)
        self.found: Files = files_in(lab.project)
        self.permissions = permissions_in(lab.project)
        self.hidden = self.found.keys() - self.judge.paths_in(self.ours)
        self.private = private_files(lab.project)

    def _begin(self) -> None:
        lab = self.lab
        lab.start_git({"kept": "kept\n", ".gitattributes": ATTRIBUTES, ".gitignore": "*.ign\n"})
        lab.git("config", "filter.up.clean", "tr a-z A-Z")
        lab.git("config", "filter.up.smudge", "tr A-Z a-z")
        lab.git("config", "filter.one.clean", "sed /^two/d")  # keeps less than there is
        lab.git("config", "core.safecrlf", "false")
        carry_out(lab.project, [("write", name, text) for name, text in self.story.base.items()])
        lab.commit_whatever()
        carry_out(lab.project, self.story.before)

    def _execute(self) -> dict[str, Any]:
        """Execute the plan. The judge looks at the project before, and into the sandbox when its step has ended."""
        project, judge = self.lab.project, self.judge
        private = private_files(project)
        self.base = judge.commit(project, self.index)
        found = files_in(project)

        class Editing(Job):
            def run(self, argv: Sequence[str], *, cwd: Path | None = None, **_: Any) -> Ended:
                assert cwd is not None
                carry_out(cwd, scene.story.plan)
                scene.theirs = judge.commit(cwd, scene.base, scene.base)
                return Ended(0, None, timed_out=False)

        scene = self
        job = self._job(Editing)
        result: dict[str, Any] = execute(job)
        assert private == private_files(project)
        assert found == files_in(project)
        return result

    def _job(self, kind: type[Job] = Job, result: Mapping[str, Any] | None = None) -> Job:
        job = self.lab.job(self.plan, result, payload={"onto_current": True})
        return kind(
            job=job.job, plan=job.plan, state_root=job.state_root, log_dir=job.log_dir, payload=job.payload
        )

    def apply(self) -> None:
        """Apply the result, whatever branch is checked out."""
        apply(self._job(result=self.result))

    def revert(self) -> None:
        """Undo the apply."""
        revert(self.lab.state, "PLAN")

    def tree(self) -> str:
        """The tree of the project as git sees it now; what it ignored before may be ignored no longer."""
        changed: frozenset[str] = self.merged.changed if self.merged else frozenset()
        return self.judge.tree_of(self.lab.project, self.index, self.hidden - changed)

    def suffer(self) -> None:
        """Apply and revert, each killed before one of its changes."""
        places = (self.lab.project, self.lab.state / "apply")
        for what, number in self.story.kills:
            work = self.apply if what == "apply" else self._revert_if_any
            event(
                f"{what} killed"
                if killed_at_change(number, places, work)
                else f"{what} was done before its kill"
            )

    def _revert_if_any(self) -> None:
        try:
            self.revert()
        except ConflictError as error:
            assert "nothing to revert" in str(error) and self.tree() == self.tree_before

    @property
    def tree_before(self) -> str:
        """The tree of the project just before the apply."""
        return self.judge.git("rev-parse", f"{self.ours}^{{tree}}")


RENAMED = Story(  # half of it looks like files that were renamed into each other
    base={"a": "", "b": "", "new\nline": "one\n" * 5 + "long " * 8 + "\none\none\n", "d/x": "one\n" * 8},
    before=[("write", "q", ""), ("write", "a", "one\n" * 8)],
    plan=[
        ("write", "a", ""),
        ("folder", "q", "one\n" + "long " * 8 + "\n" + "one\n" * 5),
        ("exec", "a", ""),
        ("folder", "new\nline", ""),
        ("write", "a", ""),
    ],
    user=[],
    strategy="worktree",
    kills=[("apply", 5)],
    ending="apply",
)
STASHED = Story(  # the user has put work aside, and takes it up again after the plan has run
    base={"a": "one\ntwo\n" * 9, "b": "one\n"},
    before=[
        ("append", "b", "mine\n"),
        ("write", "d/x", "mine\n"),
        ("stash", "a", ""),
        ("prepend", "a", "top\n"),
    ],
    plan=[("append", "a", "end\n"), ("write", "d/y", "new\n"), ("commit", "a", ""), ("delete", "kept", "")],
    user=[("append", "b", "more\n"), ("stash", "a", ""), ("pop", "a", ""), ("intend", "d/z", "")],
    strategy="worktree",
    kills=[("apply", 4), ("revert", 3), ("apply", 6)],
    ending="revert",
)
IGNORED = Story(  # what the plan adds lies there already, and git ignores it
    base={"a": "one\n"},
    before=[],
    plan=[
        ("write", ".gitignore", "nothing\n"),
        ("write", "some.ign", "of the plan\n"),
        ("append", "a", "two\n"),
    ],
    user=[("write", "some.ign", "of the user\n")],
    strategy="clone",
    kills=[],
    ending="apply",
)
UNHIDDEN = Story(  # the plan takes away what made git ignore a file of the user's
    base={"filtered.up": "one\n"},
    before=[("forget", ".gitignore", "")],
    plan=[("prepend", "some.ign", "two\n"), ("folder", ".gitignore", "one\n"), ("move", "some.ign", "")],
    user=[("write", "some.ign", "of the user\n")],
    strategy="worktree",
    kills=[],
    ending="revert",
)
UNSEEN = Story(  # what a filter drops and the permissions that git does not know come back, too
    base={"lossy.one": "one\ntwo\n" * 4, "d/mixed.crlf": "one\nthree\r\n", "d/x": "one\n"},
    before=[("private", "lossy.one", ""), ("private", "d", "")],
    plan=[("append", "lossy.one", "one\n"), ("delete", "d/x", ""), ("move", "d/mixed.crlf", "")],
    user=[("prepend", "lossy.one", "two\n")],
    strategy="worktree",
    kills=[("apply", 5), ("apply", 7), ("revert", 4)],
    ending="revert",
)
CONFLICTING = Story(
    base={"a": "one\ntwo\n", "d/x": "one\n", "b": "one\n"},
    before=[("append", "b", "two\n")],
    plan=[
        ("write", "a", "plan\n"),
        ("append", "d/x", "two\n"),
        ("delete", "b", ""),
        ("write", "d/y", "new\n"),
    ],
    user=[("write", "a", "user\n"), ("folder", "d/x", "in it"), ("append", "b", "more\n")],
    strategy="worktree",
    kills=[],
    ending="apply",
)


@pytest.mark.timeout(100 + 10 * EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    phases=sorted(PHASES, key=list(Phase).index),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(stories())
@example(RENAMED)
@example(STASHED)
@example(IGNORED)
@example(UNHIDDEN)
@example(UNSEEN)
@example(CONFLICTING)
def test_an_apply_is_the_merge_that_git_makes(state_root: Path, story: Story) -> None:
    with TemporaryDirectory() as folder, TemporaryDirectory(dir=state_root) as state:
        scene = Scene(Lab(Path(folder), Path(state)), story)
        event("a stash of the user's" if "logs/refs/stash" in scene.private else "no stash")
        if scene.merged is None:
            refused(scene)
        else:
            merged(scene, scene.merged)
        assert scene.private == private_files(scene.lab.project)
        assert (
            subprocess.run(
                ["git", "fsck", "--strict", "--no-dangling"],
                cwd=scene.lab.project,
                capture_output=True,
                check=True,
            ).stdout
            == b""
        )


def refused(scene: Scene) -> None:
    """A conflict writes nothing, and says so every time."""
    event("conflict")
    for _ in range(2):
        with pytest.raises(ApplyConflictError) as caught:
            scene.apply()
        assert caught.value.conflicts
        assert scene.found == files_in(scene.lab.project)
    with pytest.raises(ConflictError, match="nothing to revert"):
        scene.revert()


def merged(scene: Scene, merge: Merge) -> None:
    scene.suffer()
    spoiled = [name for name in merge.changed & scene.hidden if merge.files[name] != scene.found[name]]
    try:
        scene.apply()
    except ApplyConflictError as error:
        return in_the_way(scene, error)
    assert not spoiled, "what git ignores was overwritten"
    event("clean")
    assert scene.tree() == merge.tree
    assert_written(scene, merge)
    if scene.story.ending == "revert":
        event("reverted")
        scene.revert()
        assert scene.tree() == scene.tree_before
        assert scene.found == files_in(scene.lab.project)
        assert scene.permissions == permissions_in(scene.lab.project)
    return None


def in_the_way(scene: Scene, error: ApplyConflictError) -> None:
    """Stricter than git: what git ignores it overwrites, and we do not."""
    event("something ignored in the way")
    kinds = {kind for kind, _ in error.conflicts}
    assert kinds <= {"ignored file in the way", "folder in the way", "symbolic link in the way"}, error
    assert scene.hidden
    assert scene.found == files_in(scene.lab.project)


def assert_written(scene: Scene, merge: Merge) -> None:
    """What the merge changed is on the disk as git would write it; all else is as it was."""
    now = files_in(scene.lab.project)
    for name in merge.changed:
        assert now.get(name) == merge.files.get(name), name
    untouched = {name: what for name, what in scene.found.items() if name not in merge.changed}
    assert {name: what for name, what in now.items() if name not in merge.changed} == untouched
