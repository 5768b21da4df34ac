"""Sandboxes: complete, isolated, and no trace of them in the user's repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from support.plan_lab import Lab, Token, result_of

from agentsd.errors import GitError, GitMissingError, JobCancelled, SandboxError
from agentsd.plans import capture, git, lifecycle, lock, refs, repository, sandbox, snapshot, upkeep
from agentsd.plans.include import bring
from agentsd.plans.lock import repository_lock
from agentsd.plans.revert import revert
from agentsd.plans.sandbox import Sandbox, SandboxRequest
from agentsd.plans.strategies import STRATEGIES

EVERY = ["worktree", "clone", "copy"]


def names(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if ".git" not in path.relative_to(folder).parts and not path.is_dir()
    )


@pytest.mark.parametrize("strategy", EVERY)
def test_a_sandbox_holds_the_work_tree_as_it_is(lab: Lab, strategy: str) -> None:
    lab.write({"README": "edited\n", "staged": "s", "untracked/file": "u", ".gitignore": "ignored\n"})
    lab.git("add", "staged")
    lab.write({"ignored": "secret"})
    lab.git("rm", "--cached", "--quiet", "README")
    before = lab.untouchables()

    box = lab.make_sandbox(strategy)

    assert names(box.path) == [".gitignore", "README", "staged", "untracked/file"]
    assert (box.path / "README").read_text() == "edited\n"
    assert lab.untouchables() == before
    assert lab.git("fsck", "--strict") == ""


@pytest.mark.parametrize("strategy", EVERY)
def test_nothing_of_a_removed_sandbox_is_left(lab: Lab, strategy: str) -> None:
    before = (lab.untouchables(), lab.git("worktree", "list"), names(lab.project / ".git" / "worktrees"))
    box = lab.make_sandbox(strategy)
    (box.path / "cache").mkdir()
    (box.path / "cache" / "file").touch()
    (box.path / "cache").chmod(0o500)

    lifecycle.remove(lab.repository(), box)

    assert not box.path.exists()
    assert names(lab.state / "sandboxes") == []
    assert (
        lab.untouchables(),
        lab.git("worktree", "list"),
        names(lab.project / ".git" / "worktrees"),
    ) == before
    assert not (lab.project / ".git" / "worktrees").exists()


def test_an_edit_of_the_same_size_in_the_same_instant_is_seen(lab: Lab) -> None:
    """Racy git: the index says the file is as old as itself, so its size alone proves nothing."""
    lab.write({"README": "aaaa"})
    lab.git("add", "README")
    lab.write({"README": "bbbb"})
    index = (lab.project / ".git" / "index").stat()
    os.utime(lab.project / "README", ns=(index.st_atime_ns, index.st_mtime_ns))

    assert (lab.make_sandbox("worktree").path / "README").read_text() == "bbbb"


def test_the_head_can_be_the_base(lab: Lab) -> None:
    lab.write({"README": "edited"})

    result = lab.execute(lab.shell("cat README > copy"), options={"sandbox_base": "head"})

    assert lab.git("show", f"{result['result']}:copy") == "one\ntwo\nthree"


@pytest.mark.parametrize("strategy", EVERY)
def test_hooks_and_a_hook_environment_change_nothing(
    lab: Lab, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        hook = lab.project / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\ntouch hook-ran\nexit 1\n")
        hook.chmod(0o755)
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    monkeypatch.setenv("GIT_DIR", "/nowhere")

    result = lab.execute(lab.shell("echo x > made", f"sandbox: {strategy}"))

    assert [file["path"] for file in result["files"]] == ["made"]


def test_stale_locks_of_git_do_not_matter(lab: Lab) -> None:
    (lab.project / ".git" / "index.lock").touch()

    result = lab.execute(lab.shell('echo x > made; touch "$(git rev-parse --git-dir)/index.lock"'))

    assert [file["path"] for file in result["files"]] == ["made"]


@pytest.mark.parametrize("strategy", EVERY)
def test_what_the_steps_do_with_git_does_not_matter(lab: Lab, strategy: str) -> None:
    """Diff by tree: commits, branches and a moved HEAD in the sandbox count as what they leave in its files."""
    script = """
        echo x > committed
        if git -C . rev-parse --show-toplevel 2>/dev/null | grep -qx "$PWD"; then
            git checkout --quiet -b agent-branch
            git add committed
            git -c user.name=a -c user.email=a@b commit --quiet -m work
        fi
        echo y > uncommitted
    """
    result = lab.execute(lab.shell(script, f"sandbox: {strategy}"))

    assert [file["path"] for file in result["files"]] == ["committed", "uncommitted"]
    assert lab.git("show", f"{result['ref']}:uncommitted") == "y"


@pytest.mark.parametrize("strategy", ["worktree", "clone"])
def test_a_sandbox_that_lost_its_git_directory_is_still_captured(lab: Lab, strategy: str) -> None:
    script = "rm -rf .git; echo x > made"
    result = lab.execute(lab.shell(script, f"sandbox: {strategy}"))
    assert [file["path"] for file in result["files"]] == ["made"]


def test_a_worktree_that_was_unregistered_is_still_captured(lab: Lab) -> None:
    script = f'echo x > made; rm -rf "{lab.project}/.git/worktrees"; git worktree prune'
    result = lab.execute(lab.shell(script))
    assert [file["path"] for file in result["files"]] == ["made"]


@pytest.mark.parametrize("strategy", EVERY)
def test_included_files_come_along_and_are_never_captured(lab: Lab, strategy: str) -> None:
    lab.write(
        {".gitignore": ".env\nbuild/\nlinks/\n", ".env": "SECRET", "build/out": "o", "tracked.env": "t"}
    )
    (lab.project / ".env").chmod(0o600)
    (lab.project / "build" / "link").symlink_to("out")
    box = lab.make_sandbox(strategy, include=(".env", "build/", "tracked.env"))

    assert box.included == (".env", "build/link", "build/out")
    assert (box.path / ".env").stat().st_mode & 0o777 == 0o600
    assert (box.path / "build" / "link").is_symlink()

    (box.path / ".gitignore").write_text("")
    captured = capture.capture(lab.repository(), lab.state, box)
    assert [change.path for change in captured.changes.files] == [".gitignore"]


def test_the_shared_list_of_includes_is_the_default(lab: Lab) -> None:
    lab.write({".gitignore": ".env*\n", ".env": "a", ".env.local": "b", ".worktreeinclude": ".env\n"})

    assert lab.make_sandbox("worktree").included == (".env",)
    assert lab.make_sandbox("worktree", "Q", include=()).included == ()


def test_an_include_never_goes_through_a_link_or_over_a_file(lab: Lab) -> None:
    lab.write({".gitignore": "data/*\n", "data/x": "x"})
    target = lab.folder / "box"
    outside = lab.folder / "outside"
    outside.mkdir()
    target.mkdir()
    (target / "data").symlink_to(outside)
    assert bring(lab.repository(), target, ["data/x"], lab.state) == ()
    assert list(outside.iterdir()) == []

    (target / "data").unlink()
    (target / "data").mkdir()
    (target / "data" / "x").write_text("there")
    assert bring(lab.repository(), target, ["data/x"], lab.state) == ()
    assert (target / "data" / "x").read_text() == "there"


def test_an_include_takes_neither_fifos_nor_repositories(lab: Lab) -> None:
    lab.write({".gitignore": "x/\n"})
    (lab.project / "x" / "repo").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", "x/repo"], cwd=lab.project, check=True)
    os.mkfifo(lab.project / "x" / "fifo")

    assert lab.make_sandbox("worktree", include=("x/",)).included == ()


def test_sixteen_at_once_leave_nothing_but_themselves(lab: Lab) -> None:
    before = lab.untouchables()

    def run(number: int) -> list[str]:
        return lab.make_edit_capture(EVERY[number % 3], number)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(run, range(16)))

    assert found == [[f"file{number}"] for number in range(16)]
    assert lab.untouchables() == before
    assert lab.git("worktree", "list").count("\n") == 0
    assert lab.git("branch", "--list") == "* main"
    assert lab.git("fsck") == ""
    assert list((lab.state / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [("MERGE_HEAD", "A merge is in progress"), ("rebase-merge", "A rebase is in progress")],
)
def test_a_repository_in_the_middle_of_something_is_refused(lab: Lab, name: str, reason: str) -> None:
    (lab.project / ".git" / name).touch()

    with pytest.raises(SandboxError, match=reason):
        lab.make_sandbox("worktree")


def test_a_repository_without_a_commit_is_refused(bare_lab: Lab) -> None:
    bare_lab.git("init", "--quiet")

    with pytest.raises(SandboxError, match="has no commit yet"):
        bare_lab.make_sandbox("worktree")


def test_a_bare_repository_is_refused(tmp_path: Path, state_root: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path)], check=True)

    with pytest.raises(SandboxError, match="bare repository"):
        repository.open_repository(tmp_path, state_root)


def test_a_broken_repository_is_reported_in_gits_words(lab: Lab) -> None:
    (lab.project / ".git" / "config").write_text("[core\n")

    with pytest.raises(GitError, match="bad config"):
        lab.repository()


def test_an_old_git_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "MINIMUM_VERSION", (999, 0))

    with pytest.raises(GitMissingError, match=r"is too old: sandboxes need git 999\.0"):
        git.require_version()


def test_no_git_at_all_is_said(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(GitMissingError, match=r"git cannot be run: No such file or directory\. Install git"):
        lab.repository()


@pytest.mark.parametrize("strategy", EVERY)
def test_a_sandbox_that_cannot_be_made_leaves_nothing(lab: Lab, strategy: str) -> None:
    lab.write({".gitattributes": "README filter=broken\n"})
    lab.git("config", "filter.broken.smudge", "exit 1; cat")
    lab.git("config", "filter.broken.required", "true")
    lab.git("config", "filter.broken.clean", "cat")

    with pytest.raises(SandboxError, match="could not be made"):
        lab.make_sandbox(strategy)

    assert names(lab.state / "sandboxes") == []
    assert lab.git("worktree", "list").count("\n") == 0


@pytest.mark.parametrize("spoil", ["index", "file"])
def test_a_half_made_sandbox_is_not_complete(lab: Lab, spoil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a kill during `git worktree add`: no index, or not every file."""
    worktree = STRATEGIES["worktree"]
    whole = worktree.make

    def half(repo: repository.Repository, box: Sandbox) -> None:
        whole(repo, box)
        (box.index if spoil == "index" else box.path / "README").unlink()

    monkeypatch.setattr(worktree, "make", half)

    with pytest.raises(SandboxError, match=r"has no index|is incomplete"):
        lab.make_sandbox("worktree")


def test_an_incomplete_sandbox_is_never_captured(lab: Lab) -> None:
    box = sandbox.planned(
        lab.repository(), lab.state, SandboxRequest(plan_id="P", job_id="J", strategy="copy"), "base"
    )

    with pytest.raises(SandboxError, match="was never complete"):
        capture.capture(lab.repository(), lab.state, box)


def test_a_sandbox_is_not_made_over_another(lab: Lab) -> None:
    lab.make_sandbox("copy")

    with pytest.raises(SandboxError, match="exists already"):
        lab.make_sandbox("copy")


def test_a_sandbox_in_use_stays(lab: Lab) -> None:
    box = lab.make_sandbox("worktree")
    sleeper = subprocess.Popen(["sleep", "60"], cwd=box.path)
    try:
        with pytest.raises(SandboxError, match=f"in use by process {sleeper.pid}"):
            lifecycle.remove(lab.repository(), box)
    finally:
        sleeper.kill()
        sleeper.wait()
    assert box.path.is_dir()


@pytest.mark.parametrize("strategy", EVERY)
def test_nested_repositories_are_refused_by_name(lab: Lab, strategy: str) -> None:
    script = """
        git init --quiet nested
        git init --quiet full
        cd full; touch x; git add x; git -c user.name=a -c user.email=a@b commit --quiet -m x; cd ..
        touch made
    """
    if strategy == "worktree":
        script += "    git add full 2>/dev/null\n"

    with pytest.raises(SandboxError, match="full, nested") as caught:
        lab.execute(lab.shell(script, f"sandbox: {strategy}"))

    result = result_of(caught.value)
    assert result["kind"] == "partial"
    assert result["refused"] == ["full", "nested"]
    assert result["files"] == [{"path": "made", "status": "added"}]
    assert result["sandbox_kept"] is True


def test_a_submodule_of_the_project_stays_as_it_is(lab: Lab) -> None:
    inner = lab.folder / "inner"
    shutil.copytree(lab.project, inner)
    lab.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    lab.commit()
    pointer = lab.git("rev-parse", "HEAD:sub")

    result = lab.execute(lab.shell("touch made"))
    assert [file["path"] for file in result["files"]] == ["made"]

    script = f"git update-index --cacheinfo 160000,{lab.git('rev-parse', 'HEAD')},sub; touch made"
    result = lab.execute(lab.shell(script))
    assert [file["path"] for file in result["files"]] == ["made"]
    assert lab.git("rev-parse", f"{result['ref']}:sub") == pointer


def test_a_nested_repository_of_the_user_is_left_out(lab: Lab) -> None:
    subprocess.run(["git", "init", "--quiet", "mine"], cwd=lab.project, check=True)

    assert names(lab.make_sandbox("worktree").path) == ["README"]


def test_state_inside_the_project_is_not_in_the_snapshot(lab: Lab) -> None:
    lab.state = lab.project / "state"
    lab.write({"state/agents.db": "x"})

    assert names(lab.make_sandbox("worktree").path) == ["README"]


@pytest.mark.parametrize("strategy", EVERY)
def test_state_inside_the_project_may_be_ignored_there(lab: Lab, strategy: str) -> None:
    lab.state = lab.project / ".agents"
    lab.write({".gitignore": ".agents/\n", ".agents/agents.db": "x"})

    result = lab.execute(lab.shell("touch made", f"sandbox: {strategy}"))

    assert [file["path"] for file in result["files"]] == ["made"]
    lab.apply(lab.shell("true"), result)
    assert sorted(names(lab.project))[-2:] == ["README", "made"]


def test_ignored_files_are_counted(lab: Lab) -> None:
    lab.write({".gitignore": "*.o\nbuild/\n"})

    result = lab.execute(lab.shell("touch a.o b.o; mkdir build; touch build/x build/y"))

    assert (result["ignored"], result["empty"]) == (3, True)


def test_outside_git_a_plan_works_on_a_copy(bare_lab: Lab) -> None:
    bare_lab.write({"a": "1", "b/c": "2"})
    plan = bare_lab.shell("echo 3 > a; rm b/c; test ! -e .git")

    result = bare_lab.execute(plan)
    again = bare_lab.execute(bare_lab.shell("test $(cat a) = 1"), options={"sandbox_cleanup": "on_terminal"})

    assert result["files"] == [{"path": "a", "status": "modified"}, {"path": "b/c", "status": "deleted"}]
    assert again["empty"]
    assert again["sandbox_kept"] is False
    assert names(bare_lab.project) == ["a", "b/c"]


def test_an_empty_project_outside_git_works_too(bare_lab: Lab) -> None:
    assert bare_lab.execute(bare_lab.shell("touch made"))["files"] == [{"path": "made", "status": "added"}]


def test_a_worktree_of_the_user_can_be_the_project(lab: Lab) -> None:
    lab.git("worktree", "add", "--quiet", str(lab.folder / "linked"))
    lab.project = lab.folder / "linked"

    result = lab.execute(lab.shell("touch made"))

    assert [file["path"] for file in result["files"]] == ["made"]


def test_a_broken_index_does_not_stop_a_snapshot(lab: Lab) -> None:
    (lab.project / ".git" / "index").write_bytes(b"garbage")

    taken = snapshot.of_project(lab.repository(), lab.state, parents=[], message="x")

    assert taken.tree == lab.git("rev-parse", "HEAD^{tree}")


def test_a_sandbox_is_removed_at_once_if_the_settings_say_so(lab: Lab) -> None:
    result = lab.execute(lab.shell("touch made"), options={"sandbox_cleanup": "on_terminal"})

    assert result["sandbox_kept"] is False
    assert not Path(result["sandbox"]).exists()
    assert lab.git("show", f"{result['result']}:made") == ""


def test_a_sandbox_in_use_outlives_its_plan(lab: Lab) -> None:
    script = "sleep 60 > /dev/null 2>&1 & echo $! > ../../../sleeper"
    result = lab.execute(lab.shell(script), options={"sandbox_cleanup": "on_terminal"})
    os.kill(int((lab.state / "sleeper").read_text()), 9)

    assert result["sandbox_kept"] is True
    assert Path(result["sandbox"]).is_dir()


def test_the_lock_waits_and_says_who_waited(lab: Lab) -> None:
    with (
        repository_lock(lab.repository(), lab.state),
        pytest.raises(SandboxError, match=r"held by another process for 0\.05 s"),
        repository_lock(lab.repository(), lab.state, wait=0.05),
    ):
        pass


def test_a_cancel_ends_the_wait_for_the_lock(lab: Lab) -> None:
    token = Token()
    token.set()
    with (
        repository_lock(lab.repository(), lab.state),
        pytest.raises(JobCancelled),
        repository_lock(lab.repository(), lab.state, token=token),
    ):
        pass


def test_a_lock_that_was_released_is_taken(lab: Lab) -> None:
    order: list[str] = []

    def second() -> None:
        with repository_lock(lab.repository(), lab.state, token=Token()):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with repository_lock(lab.repository(), lab.state):
            waiting = pool.submit(second)
            order.append("first")
        waiting.result(timeout=30)
    assert order == ["first", "second"]


def test_the_lock_leaves_nothing_in_the_repository(lab: Lab) -> None:
    before = sorted((lab.project / ".git").iterdir())

    with repository_lock(lab.repository(), lab.state):
        pass

    assert sorted((lab.project / ".git").iterdir()) == before
    assert not (lab.state / "locks").exists()


def test_two_state_directories_exclude_each_other(lab: Lab) -> None:
    with (
        repository_lock(lab.repository(), lab.state),
        pytest.raises(SandboxError, match="held by another process"),
        repository_lock(lab.repository(), lab.folder / "other-state", wait=0.05),
    ):
        pass


@pytest.mark.parametrize("refusal", ["no folder", "no lock on it"])
def test_where_a_folder_cannot_be_locked_a_file_is(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    """With O_PATH the kernel refuses flock with EBADF, as NFS does for a descriptor that may not write."""
    found = lab.repository()
    if refusal == "no folder":
        found = replace(found, common_dir=lab.folder / "gone")
    else:
        monkeypatch.setattr(lock, "_FOLDER_FLAGS", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    with (
        repository_lock(found, lab.state),
        pytest.raises(SandboxError, match=r"\.lock was held by another process"),
        repository_lock(found, lab.state, wait=0.05),
    ):
        pass

    assert (lab.state / "locks" / f"{found.ident}.lock").is_file()


def test_only_refs_of_ours_are_listed_and_removed(lab: Lab) -> None:
    lab.make_sandbox("copy", "P")
    lab.make_sandbox("copy", "PP")
    found = lab.repository()

    gone = refs.remove(found.git, "P")

    assert list(gone) == ["refs/agents/P/J/base"]
    assert list(refs.listed(found.git)) == ["refs/agents/PP/J/base"]


def test_only_the_records_of_a_plan_are_read_for_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its jobs asks for them, however many other plans have sandboxes."""
    box, longer, _ = (lab.make_sandbox("copy", name) for name in ("P", "P-Q", "X"))
    read: list[Path] = []
    load = sandbox.load

    def noted(record: Path) -> sandbox.Sandbox:
        read.append(record)
        return load(record)

    monkeypatch.setattr(sandbox, "load", noted)

    assert sandbox.recorded(lab.state, "P") == [box]
    assert sorted(read) == [box.record, longer.record]


def test_records_that_are_none_are_passed_over(lab: Lab) -> None:
    box = lab.make_sandbox("copy")
    (box.record.parent / "broken.json").write_text("{}")
    (box.record.parent / "stranger").mkdir()

    assert sandbox.recorded(lab.state) == [box]
    assert sandbox.recorded(lab.state, "other") == []
    assert sandbox.unrecorded(lab.state) == [box.record.parent / "stranger"]


@pytest.mark.parametrize(
    "name", ["two\nlines", "ends so\n", "carriage\rreturn", "tab\tand \x1b[31mred", os.fsdecode(b"\xff")]
)
@pytest.mark.parametrize("strategy", EVERY)
def test_a_project_may_be_called_anything(tmp_path: Path, state_root: Path, name: str, strategy: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    lab = Lab(folder, state_root)
    lab.start_git()
    lab.project = lab.project.rename(folder / f"project {name}")
    plan = lab.shell("echo more >> README; git log >&2 || true", f"sandbox: {strategy}")
    assert plan.project == str(lab.project)

    lab.apply(plan, lab.execute(plan))
    assert lab.read("README").endswith("more\n")
    revert(state_root, "PLAN")
    assert not lab.read("README").endswith("more\n")
    upkeep.discard(state_root, "PLAN", lab.project)
    assert lab.git("worktree", "list", "-z", "--porcelain").count("worktree ") == 1
