"""Apply and revert: the tree that a merge by git gives, or nothing at all."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.home import Home
from support.plan_lab import Job, Lab

from agentsd.errors import (
    ApplyConflictError,
    ConflictError,
    GitError,
    JobCancelled,
    ProjectWriteError,
    SandboxError,
)
from agentsd.model import JSON
from agentsd.plans import durable, journal, merge, originals, snapshot, standing, writes
from agentsd.plans.apply import apply, check
from agentsd.plans.changes import Difference, Entry
from agentsd.plans.frozen import FrozenPlan
from agentsd.plans.revert import revert
from agentsd.plans.sandbox import recorded, remove_tree

MANY = "for n in 1 2 3 4 5; do echo $n > new$n; done; rm -r old; echo changed > README; ln -s README link"


def tree(lab: Lab) -> str:
    """The tree of the project as it stands."""
    repo = lab.repository()
    return snapshot.of_project(repo, lab.state, parents=[], message="test").tree


def ready(lab: Lab, script: str = MANY, more: str = "") -> tuple[FrozenPlan, dict[str, JSON]]:
    lab.write({"old/a": "a\n", "old/b": "b\n"})
    lab.commit()
    plan = lab.shell(script, more)
    return plan, lab.execute(plan)


def killed_apply(lab: Lab, plan: FrozenPlan, result: Mapping[str, JSON], event: str, number: int) -> bool:
    """Apply in a child that the kernel kills at its *number*-th *event*; whether it was killed."""
    child = os.fork()
    if child == 0:
        seen = 0

        def strike(name: str, args: tuple[object, ...]) -> None:
            nonlocal seen
            if name == event and str(lab.project) in str(args[0]):
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(strike)
            lab.apply(plan, result)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def conflicts(caught: pytest.ExceptionInfo[ApplyConflictError]) -> list[tuple[str, str]]:
    return list(caught.value.conflicts)


def test_a_clean_apply_gives_the_result(lab: Lab) -> None:
    plan, result = ready(lab)
    before = lab.untouchables()
    job = lab.job(plan, result)

    report = apply(job)

    assert lab.git("rev-parse", f"{result['result']}^{{tree}}") == tree(lab)
    assert lab.untouchables() == before
    assert not (lab.project / "old").exists()
    assert (lab.project / "link").is_symlink()
    assert len(report["files"]) == 9
    assert {"path": "README", "status": "modified"} in report["files"]
    assert {"path": "old/a", "status": "deleted"} in report["files"]
    assert (report["empty"], report["resumed"], job.shielded) == (False, False, 1)
    assert recorded(lab.state) == []


def test_the_users_own_work_is_merged(lab: Lab) -> None:
    lab.write({"README": "".join(f"{number}\n" for number in range(20))})
    plan, result = ready(lab, "sed -i s/^19$/nineteen/ README; touch made")
    lab.write({"README": lab.read("README").replace("1\n", "one\n", 1), "mine": "m", "staged": "s"})
    lab.git("add", "staged")
    before = lab.untouchables()

    lab.apply(plan, result)

    assert lab.read("README").startswith("0\none\n")
    assert lab.read("README").endswith("18\nnineteen\n")
    assert lab.untouchables() == before
    assert sorted(lab.git("status", "--porcelain").splitlines()) == [
        " M README",
        "?? made",
        "?? mine",
        "A  staged",
    ]


def test_a_conflict_writes_nothing_and_names_each(lab: Lab) -> None:
    plan, result = ready(lab, "echo theirs > README; echo theirs > both; rm old/a; touch fine")
    lab.write({"README": "ours\n", "both": "ours\n", "old/a": "edited\n"})
    before = tree(lab)

    with pytest.raises(ApplyConflictError) as caught:
        lab.apply(plan, result)

    assert conflicts(caught) == [("contents", "README"), ("contents", "both"), ("modify/delete", "old/a")]
    assert tree(lab) == before
    assert journal.unfinished(lab.state, "PLAN") is None
    assert len(recorded(lab.state)) == 1


def test_a_check_writes_nothing(lab: Lab) -> None:
    plan, result = ready(lab)
    before = tree(lab)

    report = check(lab.state, lab.request(plan, result))

    assert (report["kind"], len(report["files"])) == ("check", 9)
    assert tree(lab) == before
    assert journal.latest(lab.state, "PLAN") is None


def test_what_is_there_already_is_not_written_again(lab: Lab) -> None:
    plan, result = ready(lab)
    lab.apply(plan, result)

    report = lab.apply(plan, result, plan_id="AGAIN")

    assert report["empty"]


def test_a_second_apply_of_the_same_result_writes_only_what_is_missing(lab: Lab) -> None:
    plan, result = ready(lab)
    lab.apply(plan, result)
    (lab.project / "new1").unlink()

    assert check(lab.state, lab.request(plan, result))["files"] == [{"path": "new1", "status": "added"}]
    assert len(lab.apply(plan, result)["files"]) == 9
    assert lab.read("new1") == "1\n"

    revert(lab.state, "PLAN")
    other = lab.execute(lab.shell("touch other"))
    assert [file["path"] for file in lab.apply(plan, other)["files"]] == ["other"]


def test_another_result_is_merged_afresh(lab: Lab) -> None:
    plan, result = ready(lab)
    lab.apply(plan, result)
    other = lab.execute(lab.shell("touch other"))

    assert [file["path"] for file in lab.apply(plan, other)["files"]] == ["other"]


def test_an_empty_change_set_is_said(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    plan, result = ready(lab, "true")

    assert lab.apply(plan, result)["empty"]
    assert "nothing to apply" in capsys.readouterr().out


def test_a_plan_without_a_result_cannot_be_applied(lab: Lab) -> None:
    plan = lab.shell("true")

    with pytest.raises(ConflictError, match="has no result to apply"):
        lab.apply(plan, None)


def test_a_plan_without_a_sandbox_cannot_be_applied(lab: Lab) -> None:
    plan = lab.shell("true", "sandbox: none")

    with pytest.raises(ConflictError, match="there is nothing to apply"):
        lab.apply(plan, lab.execute(plan))


def test_changes_outside_the_plans_paths_are_refused(lab: Lab) -> None:
    plan, result = ready(lab, more="paths: [README, 'new*', link]")

    with pytest.raises(ApplyConflictError) as caught:
        lab.apply(plan, result)

    assert conflicts(caught) == [
        ("outside the plan's paths", "old/a"),
        ("outside the plan's paths", "old/b"),
    ]


def test_another_branch_is_refused_unless_it_is_meant(lab: Lab) -> None:
    plan, result = ready(lab)
    lab.git("checkout", "--quiet", "-b", "other")

    with pytest.raises(ApplyConflictError, match="branch: the plan was made on main, checked out is other"):
        lab.apply(plan, result)

    assert lab.apply(plan, result, payload={"onto_current": True})["files"]


def test_a_merge_in_progress_is_refused(lab: Lab) -> None:
    plan, result = ready(lab)
    (lab.project / ".git" / "MERGE_HEAD").touch()

    with pytest.raises(SandboxError, match="A merge is in progress"):
        lab.apply(plan, result)


def test_commits_since_the_execute_do_not_matter(lab: Lab) -> None:
    plan, result = ready(lab)
    lab.write({"later": "l"})
    lab.commit()

    lab.apply(plan, result)

    assert lab.read("README") == "changed\n"
    assert lab.read("later") == "l"


def test_a_cancel_before_the_first_write_ends_it(lab: Lab) -> None:
    plan, result = ready(lab)
    job = lab.job(plan, result)
    job.token.set()
    before = tree(lab)

    with pytest.raises(JobCancelled):
        apply(job)

    assert tree(lab) == before
    assert journal.latest(lab.state, "PLAN") is None


@pytest.mark.parametrize(
    ("prepare", "script", "conflict"),
    [
        ("echo mine > made", "rm -f .gitignore; echo x > made", ("ignored file in the way", "made")),
        (
            "ln -s /tmp made",
            "rm -f .gitignore; mkdir made; touch made/x",
            ("symbolic link in the way", "made/x"),
        ),
        ("touch made", "rm -f .gitignore; mkdir made; touch made/x", ("ignored file in the way", "made/x")),
        ("mkdir made; touch made/x", "rm -f .gitignore; echo x > made", ("folder in the way", "made")),
        ("touch old/made", "rm -r old; touch old", ("folder in the way", "old")),
        ("ln -s /tmp old/made", "rm -r old; touch old", ("folder in the way", "old")),
        ("mkdir old/made; ln -s / old/made/made", "rm -r old; touch old", ("folder in the way", "old")),
    ],
)
def test_what_git_ignores_is_never_overwritten(
    lab: Lab, prepare: str, script: str, conflict: tuple[str, str]
) -> None:
    lab.write({".gitignore": "made\n"})
    plan, result = ready(lab, script)
    subprocess.run(prepare, shell=True, cwd=lab.project, check=True)  # noqa: S602 - a test's own words
    before = tree(lab)

    with pytest.raises(ApplyConflictError) as caught:
        lab.apply(plan, result)

    assert conflicts(caught) == [conflict]
    assert tree(lab) == before


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("echo same > made; git add -f made", "file"),
        ("ln -s same made; git add -f made", "link"),
    ],
)
def test_an_ignored_file_that_is_the_same_is_no_obstacle(lab: Lab, script: str, kind: str) -> None:
    lab.write({".gitignore": "made\n"})
    plan, result = ready(lab, script)
    if kind == "file":
        lab.write({"made": "same\n"})
    else:
        (lab.project / "made").symlink_to("same")

    assert lab.apply(plan, result)["empty"]


def test_an_ignored_file_that_an_apply_made_is_reverted(lab: Lab) -> None:
    plan, result = ready(lab, "echo x > made")
    lab.write({".git/info/exclude": "made\n"})
    lab.apply(plan, result)
    assert lab.read("made") == "x\n"

    revert(lab.state, "PLAN")

    assert not (lab.project / "made").exists()


def test_an_entry_is_compared_by_mode_and_content(lab: Lab) -> None:
    git = lab.repository().git
    oid = lab.git("rev-parse", "HEAD:README")

    assert standing.stands_already(git, "README", Entry("100644", oid))
    assert not standing.stands_already(git, "README", Entry("100755", oid))
    assert not standing.stands_already(git, "nothing", Entry("100644", oid))


def test_a_folder_gives_way_to_a_file_and_back(lab: Lab) -> None:
    plan, result = ready(lab, "rm -r old; echo file > old; rm README; mkdir README; touch README/x")
    (lab.project / "old" / "empty" / "deeper").mkdir(parents=True)

    lab.apply(plan, result)
    assert lab.read("old") == "file\n"
    assert (lab.project / "README" / "x").is_file()

    revert(lab.state, "PLAN")
    assert lab.read("old/a") == "a\n"
    assert lab.read("README") == "one\ntwo\nthree\n"


def test_a_link_gives_way_to_a_folder(lab: Lab) -> None:
    outside = lab.folder / "outside"
    outside.mkdir()
    (outside / "x").write_text("untouched")
    (lab.project / "link").symlink_to(outside)
    plan, result = ready(lab, "rm link; mkdir link; echo inside > link/x")

    lab.apply(plan, result)

    assert (outside / "x").read_text() == "untouched"
    assert lab.read("link/x") == "inside\n"


def test_filters_and_line_ends_are_as_git_writes_them(lab: Lab) -> None:
    lab.git("config", "filter.rot.clean", "tr a-z n-za-m")
    lab.git("config", "filter.rot.smudge", "tr a-z n-za-m")
    lab.write(
        {".gitattributes": "*.txt text eol=crlf\n*.rot filter=rot\n", "x.txt": "a\r\n", "x.rot": "abc\n"}
    )
    script = "printf 'b\\r\\n' >> x.txt; echo def >> x.rot; echo '*.new text eol=crlf' >> .gitattributes; echo n > y.new"
    plan, result = ready(lab, script)

    lab.apply(plan, result)

    assert (lab.project / "x.txt").read_bytes() == b"a\r\nb\r\n"
    assert lab.read("x.rot") == "abc\ndef\n"
    assert (lab.project / "y.new").read_bytes() == b"n\r\n"


def test_a_filter_that_fails_fails_before_the_first_write(lab: Lab) -> None:
    lab.write({".gitattributes": "*.rot filter=rot\n", "x.rot": "abc\n"})
    plan, result = ready(lab, "echo def >> x.rot; touch made")
    lab.git("config", "filter.rot.smudge", "exit 1; cat")
    lab.git("config", "filter.rot.required", "true")
    lab.git("config", "filter.rot.clean", "cat")

    with pytest.raises(GitError):
        lab.apply(plan, result)

    assert not (lab.project / "made").exists()
    assert journal.latest(lab.state, "PLAN") is None


def test_modes_are_merged_with_the_ones_that_are_there(lab: Lab) -> None:
    lab.write({"private": "p\n", "tool": "t\n"})
    (lab.project / "tool").chmod(0o750)
    plan, result = ready(
        lab, "echo x >> private; chmod +x private; chmod -x tool; echo x > new; chmod +x new"
    )
    (lab.project / "private").chmod(0o640)

    lab.apply(plan, result)

    modes = {name: (lab.project / name).stat().st_mode & 0o777 for name in ("private", "tool", "new")}
    assert modes["private"] == 0o750
    assert modes["tool"] == 0o640
    assert modes["new"] & 0o100


def test_unusual_names_survive(lab: Lab) -> None:
    plan, result = ready(
        lab, r"""printf x > "$(printf 'new\nline')"; printf x > "$(printf '\351')"; touch 'q"\'"""
    )

    lab.apply(plan, result)
    names = {os.fsencode(path.name) for path in lab.project.iterdir()}
    assert {b"new\nline", b"\xe9", b'q"\\'} <= names

    revert(lab.state, "PLAN")
    assert not {b"new\nline", b"\xe9", b'q"\\'} & {os.fsencode(path.name) for path in lab.project.iterdir()}


def test_a_nested_repository_is_never_written(lab: Lab) -> None:
    plan, result = ready(lab, "touch made")
    repo = lab.repository()
    listing = lab.git("ls-tree", result["base"]) + f"\n160000 commit {lab.git('rev-parse', 'HEAD')}\tsub\n"
    done = subprocess.run(
        ["git", "mktree"], cwd=lab.project, input=listing.encode(), capture_output=True, check=True
    )
    theirs = snapshot.commit(repo.git, done.stdout.decode().strip(), [result["base"]], "x")

    with pytest.raises(ApplyConflictError, match="nested repository: sub"):
        lab.apply(plan, {**result, "result": theirs})


def test_a_file_edited_before_the_first_write_stops_the_apply(lab: Lab) -> None:
    plan, result = ready(lab)
    job = lab.job(plan, result)
    before = tree(lab)

    class Editing(writes.Writer):
        def write(self) -> None:
            lab.write({"README": "edited meanwhile\n"})
            super().write()

    real = writes.Writer
    writes.Writer = Editing  # type: ignore[misc]
    try:
        with pytest.raises(ConflictError, match="README was edited while the change was written"):
            apply(job)
    finally:
        writes.Writer = real  # type: ignore[misc]
    assert lab.read("README") == "edited meanwhile\n"
    assert journal.latest(lab.state, "PLAN") is None

    with pytest.raises(ApplyConflictError):
        lab.apply(plan, result)
    assert lab.read("README") == "edited meanwhile\n"
    lab.write({"README": "one\ntwo\nthree\n"})
    assert tree(lab) == before
    assert not lab.apply(plan, result)["resumed"]


def once_prepared(act: Callable[[], None]) -> Callable[[JSON], None]:
    """Do something when all new content is written beside its targets and nothing is changed yet."""

    def on_progress(told: JSON) -> None:
        if told.get("doing") == "preparing" and told["done"] == told["total"]:
            act()

    return on_progress


def test_a_file_edited_during_the_apply_is_not_lost(lab: Lab) -> None:
    plan, result = ready(lab)
    job = lab.job(
        plan, result, on_progress=once_prepared(lambda: lab.write({"README": "edited meanwhile\n"}))
    )
    repo = lab.repository()

    with pytest.raises(ConflictError, match="README was edited while the change was written"):
        apply(job)
    assert lab.read("README") == "edited meanwhile\n"
    assert journal.unfinished(lab.state, "PLAN")
    assert repo.git.maybe("rev-parse", "--verify", "refs/agents/PLAN/apply/before")

    with pytest.raises(ApplyConflictError):
        lab.apply(plan, result)
    assert lab.read("README") == "edited meanwhile\n"

    lab.write({"README": "one\ntwo\nthree\n"})
    assert lab.apply(plan, result)["resumed"]
    assert lab.read("README") == "changed\n"


def test_an_apply_tells_how_far_it_is(lab: Lab) -> None:
    plan, result = ready(lab)
    job = lab.job(plan, result)

    apply(job)

    assert job.told[0] == {"doing": "merging"}
    assert job.told[-1] == {"doing": "writing", "done": 9, "total": 9, "what": "files"}


@contextmanager
def full_disk(size: int) -> Generator[None]:
    """No file can grow beyond *size* bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class FullDiskJob(Job):
    """A job whose disk is full as soon as it writes into the project."""

    @contextmanager
    def shield(self) -> Generator[None]:
        """While held, files cannot grow beyond 64 KiB."""
        with super().shield(), full_disk(65536):
            yield


def test_a_full_disk_leaves_the_project_as_it_was(lab: Lab) -> None:
    plan, result = ready(lab, "mkdir n; head -c 200000 /dev/zero > n/large; echo x > n/zsmall; rm -r old; ls")
    before = tree(lab)
    job = lab.job(plan, result)

    with pytest.raises(
        ProjectWriteError, match=r"n/large cannot be written: File too large\. The project is as"
    ):
        apply(FullDiskJob(**{name: getattr(job, name) for name in ("job", "plan", "state_root", "log_dir")}))

    assert tree(lab) == before
    assert not (lab.project / "n").exists()
    assert journal.latest(lab.state, "PLAN") is None
    assert not lab.apply(plan, result)["resumed"]
    assert (lab.project / "n" / "large").stat().st_size == 200_000


def test_a_disk_that_fails_half_way_leaves_an_apply_that_goes_on(lab: Lab) -> None:
    lab.write({"keep/.gitkeep": ""})
    plan, result = ready(lab, "touch a keep/b; rm -r old")

    def vanish() -> None:
        remove_tree(lab.project / "keep")

    with pytest.raises(
        ProjectWriteError, match=r"keep/b cannot be written: No such file.*3 of 4 files are written"
    ):
        apply(lab.job(plan, result, on_progress=once_prepared(vanish)))

    assert journal.unfinished(lab.state, "PLAN")
    assert (lab.project / "a").exists()
    assert list(lab.project.glob(".agentsd-*")) == []
    lab.write({"keep/.gitkeep": ""})
    assert lab.apply(plan, result)["resumed"]
    assert tree(lab) == lab.git("rev-parse", f"{result['result']}^{{tree}}")


def test_a_full_disk_leaves_a_revert_that_goes_on(lab: Lab) -> None:
    lab.write({"large": "x" * 200_000})
    plan, result = ready(lab, "rm large; echo changed > README; touch new")
    before = tree(lab)
    lab.apply(plan, result)
    after = tree(lab)
    repo = lab.repository()

    real = standing.obstacles
    limits: list[AbstractContextManager[None]] = []

    def then_full(_root: Path, _operations: object) -> list[tuple[str, str]]:
        return []

    def put(*args: object) -> None:
        real_put(*args)  # type: ignore[arg-type]
        limits.append(full_disk(65536))
        limits[0].__enter__()

    real_put = originals.put
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(originals, "put", put)
        patch.setattr(standing, "obstacles", then_full)
        with pytest.raises(ProjectWriteError, match="large cannot be written"):
            revert(lab.state, "PLAN")
    limits[0].__exit__(None, None, None)

    assert standing.obstacles is real
    assert tree(lab) == after
    assert repo.git.maybe("rev-parse", "--verify", "refs/agents/PLAN/apply/before")
    revert(lab.state, "PLAN")
    assert tree(lab) == before


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("event", ["os.rename", "os.remove"])
def test_a_killed_apply_is_resumed(lab: Lab, event: str, number: int) -> None:
    plan, result = ready(lab)
    before = lab.untouchables()
    killed = killed_apply(lab, plan, result, event, number)

    if killed:
        assert journal.unfinished(lab.state, "PLAN")
        assert lab.apply(plan, result)["resumed"]

    assert killed == (number <= (7 if event == "os.rename" else 2))
    assert lab.git("rev-parse", f"{result['result']}^{{tree}}") == tree(lab)
    assert list(lab.project.glob(".agentsd-*")) == []
    assert lab.untouchables() == before


def in_a_child_that_dies(act: Callable[[], object]) -> None:
    """Run *act*, which has to end with a kill -9 of itself."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


def die() -> None:
    """Be killed, as by the kernel."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_apply_killed_before_its_first_write_leaves_nothing_behind(lab: Lab) -> None:
    plan, result = ready(lab, "mkdir -p deep/er; touch deep/er/new; echo x > README")
    before = tree(lab)
    in_a_child_that_dies(lambda: apply(lab.job(plan, result, on_progress=once_prepared(die))))
    assert list((lab.project / "deep" / "er").glob(".agentsd-*"))

    revert(lab.state, "PLAN")

    assert tree(lab) == before
    assert sorted(path.name for path in lab.project.iterdir()) == [".git", "README", "old"]


def test_a_revert_leaves_an_empty_folder_that_was_there_before(lab: Lab) -> None:
    plan, result = ready(lab, "mkdir -p mine/deep; touch mine/deep/new")
    (lab.project / "mine").mkdir()
    lab.apply(plan, result)

    revert(lab.state, "PLAN")

    assert list((lab.project / "mine").iterdir()) == []


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_revert_killed_around_the_store_is_run_again(lab: Lab, place: str) -> None:
    plan, result = ready(lab)
    before = tree(lab)
    lab.apply(plan, result)
    stored = lab.folder / "stored"

    def settle() -> None:
        if place == "after":
            stored.touch()
        die()

    in_a_child_that_dies(lambda: revert(lab.state, "PLAN", settle=settle))
    assert tree(lab) == before
    assert journal.latest(lab.state, "PLAN") is None, "an apply begins afresh, and none counts as finished"
    lab.write({"README": "mine since\n"})

    report = revert(lab.state, "PLAN", settle=stored.touch)

    assert (report["files"], report["empty"], stored.exists()) == ([], True, True)
    assert lab.read("README") == "mine since\n"
    with pytest.raises(ConflictError, match="is not applied"):
        revert(lab.state, "PLAN")


@pytest.mark.parametrize("number", [1, 2, 5, 9])
def test_a_revert_killed_between_its_writes_goes_on(lab: Lab, number: int) -> None:
    plan, result = ready(lab)
    before = tree(lab)
    lab.apply(plan, result)

    def stop(doing: str, done: int, _total: int) -> None:
        if (doing, done) == ("writing", number):
            die()

    in_a_child_that_dies(lambda: revert(lab.state, "PLAN", on_progress=stop))

    assert len(revert(lab.state, "PLAN")["files"]) == 9 - number
    assert tree(lab) == before


def test_an_apply_that_is_killed_twice_where_a_file_becomes_a_folder_goes_on(lab: Lab) -> None:
    lab.write({"swapped": "a file\n" * 9})
    plan, result = ready(lab, "rm swapped; mkdir swapped; touch swapped/inside; touch zzz; rm -r old")
    before = tree(lab)
    assert killed_apply(lab, plan, result, "os.rename", 1)
    assert not (lab.project / "swapped").is_file()
    assert killed_apply(lab, plan, result, "os.rename", 1)
    lab.git("gc", "--quiet", "--prune=now")

    assert lab.apply(plan, result)["resumed"]

    assert tree(lab) == lab.git("rev-parse", f"{result['result']}^{{tree}}")
    revert(lab.state, "PLAN")
    assert tree(lab) == before


def test_a_new_apply_forgets_that_the_last_one_was_put_back(lab: Lab) -> None:
    plan, result = ready(lab)
    lab.apply(plan, result)
    in_a_child_that_dies(lambda: revert(lab.state, "PLAN", settle=die))

    lab.apply(plan, result)

    assert not journal.is_put_back(lab.state, "PLAN")
    assert len(revert(lab.state, "PLAN")["files"]) == 9


@pytest.mark.parametrize("number", [1, 3, 6])
def test_a_killed_apply_is_reverted(lab: Lab, number: int) -> None:
    plan, result = ready(lab)
    before = tree(lab)
    assert killed_apply(lab, plan, result, "os.rename", number)

    revert(lab.state, "PLAN")

    assert tree(lab) == before
    assert journal.latest(lab.state, "PLAN") is None


def test_what_was_edited_after_a_kill_survives_the_resumed_apply(lab: Lab) -> None:
    lab.write({"list": "".join(f"{number}\n" for number in range(20)), "other": "".join("abcdefghi\n" * 9)})
    plan, result = ready(lab, "sed -i s/^19$/nineteen/ list; echo end >> other; touch zzz")
    assert killed_apply(lab, plan, result, "os.rename", 2)
    assert lab.read("list").endswith("nineteen\n")
    lab.write({"list": "top\n" + lab.read("list"), "other": "top\n" + lab.read("other")})

    assert lab.apply(plan, result)["resumed"]

    assert lab.read("list").startswith("top\n0\n")
    assert lab.read("list").endswith("18\nnineteen\n")
    assert lab.read("other").startswith("top\n")
    assert lab.read("other").endswith("end\n")
    with pytest.raises(ApplyConflictError) as caught:
        revert(lab.state, "PLAN")
    assert conflicts(caught) == [("changed since the apply", "list")]


def test_a_folder_that_is_renamed_after_a_kill_takes_what_was_written_along(lab: Lab) -> None:
    """With this setting git moves a new file into the folder's new place, so what was written before has to go."""
    lab.git("config", "merge.directoryRenames", "true")
    lab.write({f"dir/{name}": f"{name}\n" * 9 for name in "abc"})
    plan, result = ready(lab, "echo new > dir/new; touch zzz")
    numbers = iter(range(1, 9))
    while not (lab.project / "dir" / "new").exists():
        assert killed_apply(lab, plan, result, "os.rename", next(numbers))
    (lab.project / "moved").mkdir()
    for name in "abc":
        (lab.project / "dir" / name).rename(lab.project / "moved" / name)
    (lab.project / "dir" / "new").rename(lab.project / "kept")
    before = tree(lab)
    (lab.project / "kept").rename(lab.project / "dir" / "new")

    assert lab.apply(plan, result)["resumed"]
    assert lab.read("moved/new") == "new\n"
    assert not (lab.project / "dir").exists()

    revert(lab.state, "PLAN")
    lab.write({"kept": "new\n"})
    assert tree(lab) == before


def test_a_revert_brings_back_what_stood_before(lab: Lab) -> None:
    plan, result = ready(lab)
    lab.write({"mine": "m", "README": "one\ntwo\nthree\n"})
    before = (tree(lab), lab.untouchables())
    lab.apply(plan, result)

    report = revert(lab.state, "PLAN")

    assert len(report["files"]) == 9
    assert (tree(lab), lab.untouchables()) == before
    with pytest.raises(ConflictError, match="is not applied"):
        revert(lab.state, "PLAN")
    lab.apply(plan, result)
    assert lab.read("README") == "changed\n"


def test_a_revert_writes_nothing_if_a_file_was_changed_since(lab: Lab) -> None:
    plan, result = ready(lab)
    lab.apply(plan, result)
    lab.write({"README": "mine now\n", "mine": "m"})
    before = tree(lab)

    with pytest.raises(ApplyConflictError) as caught:
        revert(lab.state, "PLAN")

    assert conflicts(caught) == [("changed since the apply", "README")]
    assert tree(lab) == before


def test_a_revert_goes_on_where_it_was_cut_short(lab: Lab) -> None:
    plan, result = ready(lab)
    before = tree(lab)
    lab.apply(plan, result)
    (lab.project / "new1").unlink()
    lab.write({"old/a": "a\n"})

    revert(lab.state, "PLAN")

    assert tree(lab) == before


def test_a_revert_destroys_no_ignored_file(lab: Lab) -> None:
    plan, result = ready(lab, "rm -r old; touch old")
    lab.write({".git/info/exclude": "kept\n"})
    lab.apply(plan, result)
    (lab.project / "old").unlink()
    lab.write({"old/kept": "k"})

    revert(lab.state, "PLAN")
    assert lab.read("old/a") == "a\n"
    assert lab.read("old/kept") == "k"


def test_a_revert_is_stopped_by_what_stands_in_its_way(lab: Lab) -> None:
    lab.write({".gitignore": "old\n"})
    lab.write({"old/a": "a\n", "old/b": "b\n"})
    lab.git("add", "-f", "old")
    lab.git("commit", "--quiet", "-m", "x")
    plan = lab.shell("rm -r old")
    lab.apply(plan, lab.execute(plan))
    lab.write({"old": "mine"})

    with pytest.raises(ApplyConflictError, match="ignored file in the way: old/a"):
        revert(lab.state, "PLAN")


def test_two_plans_on_different_lines_both_apply(lab: Lab) -> None:
    lab.write({"README": "".join(f"{number}\n" for number in range(20))})
    lab.commit()
    one, two = lab.shell("sed -i s/^1$/one/ README"), lab.shell("sed -i s/^18$/eighteen/ README")
    first, second = lab.execute(one, plan_id="ONE"), lab.execute(two, plan_id="TWO")

    lab.apply(one, first, plan_id="ONE")
    lab.apply(two, second, plan_id="TWO")

    assert "one\n" in lab.read("README")
    assert "eighteen\n" in lab.read("README")


def test_outside_git_an_apply_merges_and_reverts_too(bare_lab: Lab) -> None:
    lab = bare_lab
    lab.write({"a": "".join(f"{number}\n" for number in range(20)), "gone": "g"})
    plan = lab.shell("sed -i s/^19$/nineteen/ a; rm gone; touch made")
    result = lab.execute(plan)
    lab.write({"a": "top\n" + lab.read("a")})

    lab.apply(plan, result)
    assert lab.read("a").startswith("top\n")
    assert lab.read("a").endswith("nineteen\n")
    assert sorted(path.name for path in lab.project.iterdir()) == ["a", "made"]

    revert(lab.state, "PLAN")
    assert lab.read("a").endswith("18\n19\n")
    assert lab.read("gone") == "g"


def test_sandboxes_stay_after_an_apply_if_the_settings_say_so(lab: Lab) -> None:
    plan, result = ready(lab)

    lab.apply(plan, result, options={"sandbox_cleanup": "manual"})

    assert len(recorded(lab.state)) == 1


def test_a_sandbox_in_use_does_not_spoil_an_apply(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    plan, result = ready(lab)
    sleeper = subprocess.Popen(["sleep", "60"], cwd=result["sandbox"])
    try:
        lab.apply(plan, result)
    finally:
        sleeper.kill()
        sleeper.wait()

    assert "is in use by process" in capsys.readouterr().out


def test_a_project_that_never_rests_is_not_written(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, result = ready(lab)
    taken = merge.merge_into_project

    def disturbed(*args: object) -> merge.Merge:
        merged = taken(*args)  # type: ignore[arg-type]
        with (lab.project / "busy").open("a") as file:
            file.write("x")
        return merged

    monkeypatch.setattr("agentsd.plans.preparation.merge_into_project", disturbed)

    with pytest.raises(ConflictError, match="keeps changing"):
        lab.apply(plan, result)


def test_a_journal_that_cannot_be_read_is_named(lab: Lab) -> None:
    path = journal.active_path(lab.state, "PLAN")
    path.parent.mkdir()
    path.write_text("{}")

    with pytest.raises(ConflictError, match=r"PLAN\.json cannot be read"):
        revert(lab.state, "PLAN")


def test_a_write_that_fails_leaves_no_temporary_file(lab: Lab, tmp_path: Path) -> None:
    operation = Difference("README/x", None, Entry("100644", "0"))
    writer = writes.Writer(lab.project, tmp_path / "nothing", (operation,), {"README/x": None})

    with pytest.raises(ProjectWriteError, match="README/x cannot be written"):
        writer.write()

    gone = Difference("made/x", None, Entry("100644", "0"))
    with pytest.raises(ProjectWriteError, match="made/x cannot be written: No such file"):
        writes.Writer(lab.project, tmp_path / "nothing", (gone,), {"made/x": None}).write()
    assert sorted(path.name for path in lab.project.iterdir()) == [".git", "README"]


def test_many_files_are_made_durable_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / str(number) for number in range(40)]
    for path in paths:
        path.touch()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)

    durable.sync_files(paths)
    assert len(synced) == 40

    with pytest.raises(FileNotFoundError):
        durable.sync_files([*paths, tmp_path / "nothing"])
    assert len(synced) == 80

    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    durable.sync_files(paths)
    assert len(synced) == 120


def test_the_journal_is_json_for_any_name(lab: Lab) -> None:
    plan, result = ready(lab, r"""printf x > "$(printf '\351')" """)
    lab.apply(plan, result)

    data = json.loads(journal.applied_path(lab.state, "PLAN").read_text())

    assert [each["path"] for each in data["operations"]] == ["\udce9"]


def test_garbage_collection_between_execute_and_apply_takes_nothing(lab: Lab) -> None:
    plan, result = ready(lab)
    for folder in lab.project.glob(".git/worktrees/*"):
        remove_tree(folder)
    lab.git("reflog", "expire", "--expire=now", "--all")
    lab.git("gc", "--quiet", "--prune=now")

    lab.apply(plan, result)
    lab.git("gc", "--quiet", "--prune=now")
    revert(lab.state, "PLAN")

    assert tree(lab) == lab.git("rev-parse", "HEAD^{tree}")


def test_uncommitted_work_that_an_apply_replaced_survives_garbage_collection(lab: Lab) -> None:
    lab.write({"README": "".join(f"{number}\n" for number in range(20))})
    plan, result = ready(lab, "sed -i s/^19$/nineteen/ README")
    lab.write({"README": "mine\n" + lab.read("README")})
    before = tree(lab)
    lab.apply(plan, result)
    lab.git("gc", "--quiet", "--prune=now")

    revert(lab.state, "PLAN")

    assert tree(lab) == before


@pytest.mark.parametrize("strategy", ["worktree", "clone", "copy"])
def test_a_project_on_another_file_system_is_written(home: Home, tmp_path: Path, strategy: str) -> None:
    """The new content is made where it goes: a rename does not cross file systems."""
    elsewhere = Path("/dev/shm")  # noqa: S108 - a file system in memory, where there is one
    if not os.access(elsewhere, os.W_OK) or elsewhere.stat().st_dev == home.state.root.stat().st_dev:
        pytest.skip("there is no other file system to write to")
    with TemporaryDirectory(dir=elsewhere) as folder:
        lab = Lab(Path(folder), home.state.root)
        lab.start_git()
        plan, result = ready(lab, more=f"sandbox: {strategy}")

        lab.apply(plan, result)
        assert tree(lab) == lab.git("rev-parse", f"{result['result']}^{{tree}}")
        revert(lab.state, "PLAN")
        assert tree(lab) == lab.git("rev-parse", "HEAD^{tree}")


def test_a_read_only_file_is_written_and_stays_read_only(lab: Lab) -> None:
    lab.write({"fixed": "one\n"})
    (lab.project / "fixed").chmod(0o444)
    plan, result = ready(lab, "chmod u+w fixed; echo two > fixed")

    lab.apply(plan, result)

    assert lab.read("fixed") == "two\n"
    assert (lab.project / "fixed").stat().st_mode & 0o777 == 0o444


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_leaves_the_project_as_it_was(lab: Lab) -> None:
    plan, result = ready(lab, "touch old/new first")
    before = tree(lab)
    (lab.project / "old").chmod(0o555)
    try:
        with pytest.raises(ProjectWriteError, match="old/new cannot be written: Permission denied"):
            lab.apply(plan, result)
        assert tree(lab) == before
    finally:
        (lab.project / "old").chmod(0o755)
    lab.apply(plan, result)


def test_two_state_directories_take_turns_in_one_repository(lab: Lab) -> None:
    other = Lab.__new__(Lab)
    other.project, other.state, other.folder, other.jobs = lab.project, lab.folder / "state2", lab.folder, 100
    other.state.mkdir()
    lab.write({"README": "".join(f"{number}\n" for number in range(20))})
    lab.commit()
    one, two = (
        lab.shell("sed -i s/^1$/one/ README; touch a"),
        lab.shell("sed -i s/^18$/eighteen/ README; touch b"),
    )
    first, second = lab.execute(one, plan_id="ONE"), other.execute(two, plan_id="TWO")
    before = tree(lab)

    with ThreadPoolExecutor(2) as pool:
        applies = [
            pool.submit(lab.apply, one, first, plan_id="ONE"),
            pool.submit(other.apply, two, second, plan_id="TWO"),
        ]
        assert [len(each.result()["files"]) for each in applies] == [2, 2]

    assert "one\n" in lab.read("README")
    assert "eighteen\n" in lab.read("README")
    applied = [(lab.state, "ONE"), (other.state, "TWO")]
    for state, name in sorted(applied, key=lambda each: -journal.applied_path(*each).stat().st_mtime_ns):
        revert(state, name)
    assert tree(lab) == before


@pytest.mark.parametrize("mark", ["--skip-worktree", "--assume-unchanged"])
def test_what_git_was_told_not_to_look_at_is_not_overwritten(lab: Lab, mark: str) -> None:
    """People keep local settings in a committed file behind such a mark: `git add` passes over them."""
    lab.write({"settings": "".join(f"{number}\n" for number in range(9)), "other": "other\n"})
    lab.commit()
    lab.git("update-index", mark, "settings", "other")
    lab.write({"settings": "local\n" + lab.read("settings")})
    (lab.project / "other").unlink()
    before = lab.untouchables()
    plan = lab.shell("head -1 settings > seen; echo end >> settings")
    result = lab.execute(plan)

    lab.apply(plan, result)

    assert lab.read("seen") == "local\n"
    assert lab.read("settings") == "local\n" + "".join(f"{number}\n" for number in range(9)) + "end\n"
    assert not (lab.project / "other").exists()
    assert lab.untouchables() == before
    revert(lab.state, "PLAN")
    assert lab.read("settings").startswith("local\n0\n")
    assert "end" not in lab.read("settings")


def test_a_file_that_is_named_like_a_temporary_one_of_ours_stays(lab: Lab) -> None:
    lab.write({".agentsd-mine.tmp": "mine\n"})
    plan, result = ready(lab)

    lab.apply(plan, result)
    revert(lab.state, "PLAN")

    assert lab.read(".agentsd-mine.tmp") == "mine\n"


def test_a_repository_from_a_system_without_case_loses_no_file(lab: Lab) -> None:
    lab.git("config", "core.ignoreCase", "true")
    lab.write({"F": "one\n"})
    plan, result = ready(lab, "mv F g; mv g f; echo two >> f")

    lab.apply(plan, result)

    assert lab.read("f") == "one\ntwo\n"
    assert not (lab.project / "F").exists()
