"""What steps do with git stays in the sandbox, in every kind of repository."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.patience import eventually
from support.plan_lab import Lab

from agentsd.plans import capture, refs, sandbox, upkeep
from agentsd.plans.sandbox import SandboxRequest

WITH_GIT = ["worktree", "clone"]
AT_ONCE = {"sandbox_cleanup": "on_terminal"}
IDENTITY = "git config user.name Agent; git config user.email agent@example.org"


def everything(git_dir: Path) -> dict[str, str]:
    """Each file of a git directory with its mode and a hash: all but objects and the refs of ours."""
    found: dict[str, str] = {}
    for path in sorted(git_dir.rglob("*")):
        name = path.relative_to(git_dir)
        if name.parts[0] != "objects" and path.is_file() and not str(name).startswith("refs/agents/"):
            found[str(name)] = f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return found


RAMPAGE = f"""
    {IDENTITY}
    echo x >> README; echo new > new
    git stash push --quiet --include-untracked; git stash clear
    git branch -D other; git branch -m topic renamed; git tag -d v1; git tag v2
    git update-ref refs/heads/main HEAD~1; git update-ref -d refs/remotes/origin/main
    git symbolic-ref refs/remotes/origin/HEAD refs/heads/main
    git checkout --quiet -b agent; echo y > committed; git add committed; git commit --quiet -m work
    git config alias.x status; git config core.hooksPath hooks; git config --unset remote.origin.url
    git remote add evil /nowhere; git notes add -m note; git replace HEAD HEAD~1
    printf '#!/bin/sh\\nexit 1\\n' > .git/hooks-made; mkdir -p .git/hooks; mv .git/hooks-made .git/hooks/pre-commit
    echo '*' >> .git/info/exclude; echo '* -text' >> .git/info/attributes
    git update-index --assume-unchanged README; git update-index --skip-worktree other-file
    git worktree add --quiet ../other-tree-$AGENTS_JOB_ID HEAD~1
    git worktree remove --force ../other-tree-$AGENTS_JOB_ID; git worktree prune --expire=now
    git reflog expire --expire=now --all; git gc --quiet --prune=now; git pack-refs --all
    echo edited > other-file; echo hidden > hidden-by-exclude
    touch .git/index.lock
"""


@pytest.fixture
def rich(lab: Lab) -> Lab:
    """A repository with all that a step could spoil: branches, tags, a remote, a stash, hooks, reflogs."""
    lab.write({"other-file": "o\n"})
    lab.commit()
    for command in (
        "branch other",
        "branch topic",
        "tag v1",
        "remote add origin ../upstream",
        "update-ref refs/remotes/origin/main HEAD~1",
        "symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/main",
        "config branch.main.remote origin",
        "config branch.main.merge refs/heads/main",
        "pack-refs --all",
        "branch loose",
    ):
        lab.git(*command.split())
    lab.write({"README": "stashed\n"})
    lab.git("stash")
    hook = lab.project / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    lab.write({"staged": "s\n", "untracked": "u\n"})
    lab.git("add", "staged")
    return lab


@pytest.mark.parametrize(
    "more", ["", "    rm -rf .git\n", "    rm -rf .git; git init --quiet .; git add .\n"]
)
@pytest.mark.parametrize("strategy", WITH_GIT)
def test_a_rampage_with_git_leaves_the_repository_as_it_was(rich: Lab, strategy: str, more: str) -> None:
    before = everything(rich.project / ".git")

    result = rich.execute(rich.shell(RAMPAGE + more, f"sandbox: {strategy}"), options=AT_ONCE)

    assert everything(rich.project / ".git") == before
    assert rich.git("fsck", "--strict", "--no-dangling") == ""
    changed = [(file["path"], file["status"]) for file in result["files"]]
    assert changed == [("committed", "added"), ("hidden-by-exclude", "added"), ("other-file", "modified")]
    assert rich.git("show", f"{result['ref']}:other-file") == "edited"


@pytest.mark.parametrize("strategy", WITH_GIT)
def test_the_steps_see_the_history_settings_and_remotes_of_the_project(rich: Lab, strategy: str) -> None:
    rich.git("config", 'odd.a "b\\c.d', 'x "y" \\z\t#;\nnext')
    rich.git("config", "--add", "multi.key", "1")
    rich.git("config", "--add", "multi.key", "2")
    rich.write({"extra": "[included]\n\tthere\n"})
    rich.git("config", "include.path", "../extra")
    odd = rich.git("config", 'odd.a "b\\c.d')
    script = """
        git log --oneline origin/main main topic v1 > /dev/null
        git diff --stat main... > /dev/null
        git rev-parse --abbrev-ref origin/HEAD
        git rev-parse --abbrev-ref 'main@{u}'
        git config --get-all multi.key
        git config --type=bool included.there
        git config remote.origin.url
        git config 'odd.a "b\\c.d' > odd
        git for-each-ref refs/agents refs/stash
        git stash list
        git status --porcelain
        git fsck --no-dangling 2>&1
    """
    result = rich.execute(rich.shell(f"{{\n{script}\n}} > told", f"sandbox: {strategy}"))

    upstream = str(rich.project.parent / "upstream")
    told = rich.git("show", f"{result['ref']}:told").splitlines()
    seen = [line for line in told if not line.startswith("??")]
    assert seen == ["origin/main", "origin/main", "1", "2", "true", upstream]
    assert rich.git("show", f"{result['ref']}:odd") == odd


def test_an_identity_that_depends_on_the_place_is_that_of_the_project(lab: Lab) -> None:
    lab.git("config", "--unset", "user.name")
    where = Path(os.environ["HOME"])
    (where / ".gitconfig").write_text(f'[includeIf "gitdir:{lab.project}/"]\n\tpath = there\n')
    (where / "there").write_text("[user]\n\tname = Of The Place\n")

    result = lab.execute(lab.shell("git config user.name > made"))

    assert lab.git("show", f"{result['ref']}:made") == "Of The Place"


@pytest.mark.parametrize("strategy", WITH_GIT)
def test_without_its_git_directory_a_sandbox_falls_into_no_other(lab: Lab, strategy: str) -> None:
    lab.state = lab.project / "state"
    before = everything(lab.project / ".git")

    lab.execute(
        lab.shell("rm -rf .git; ! git stash; ! git config alias.x y", f"sandbox: {strategy}"), options=AT_ONCE
    )

    assert everything(lab.project / ".git") == before


def test_a_worktree_sandbox_is_listed_with_its_reason(lab: Lab) -> None:
    box = lab.make_sandbox("worktree")

    listed = lab.git("worktree", "list", "--porcelain").split("\n\n")[1].splitlines()

    assert listed == [f"worktree {box.root}", f"HEAD {box.base}", "detached", "locked agentsd plan P job J"]
    subprocess.run(["git", "worktree", "repair"], cwd=lab.project, check=False, capture_output=True)
    assert (box.path / ".git").is_dir()


@pytest.mark.parametrize("strategy", WITH_GIT)
def test_housekeeping_of_the_user_does_not_reach_a_living_sandbox(lab: Lab, strategy: str) -> None:
    lab.write({"README": "only in the base\n"})
    box = lab.make_sandbox(strategy)
    lab.write({"README": "edited since\n"})

    for command in (
        "reflog expire --expire=now --all",
        "gc --quiet --prune=now",
        "worktree prune --expire=now",
    ):
        lab.git(*command.split())
    done = subprocess.run(["git", "fsck", "--no-dangling"], cwd=box.path, capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (0, b"")
    (box.path / "made").touch()
    found = capture.capture(lab.repository(), lab.state, box).changes
    assert [each.path for each in found.files] == ["made"]


@pytest.mark.parametrize("strategy", WITH_GIT)
def test_a_repository_with_sha256(tmp_path: Path, state_root: Path, strategy: str) -> None:
    lab = Lab(tmp_path, state_root)
    lab.git("init", "--quiet", "--object-format=sha256")
    lab.start_git()

    result = lab.execute(
        lab.shell(f"{IDENTITY}; touch made; git add .; git commit --quiet -m x", f"sandbox: {strategy}")
    )

    assert len(result["result"]) == 64
    assert [file["path"] for file in result["files"]] == ["made"]


def copy_of(lab: Lab, *options: str) -> None:
    """Make the project a clone of what it was."""
    lab.git("config", "uploadpack.allowFilter", "true")
    source, lab.project = lab.project, lab.folder / "copy"
    subprocess.run(["git", "clone", "--quiet", *options, f"file://{source}", str(lab.project)], check=True)
    lab.git("config", "user.name", "Ada")
    lab.git("config", "user.email", "ada@example.org")


@pytest.mark.parametrize("strategy", WITH_GIT)
@pytest.mark.parametrize("kind", ["--depth=1", "--filter=blob:none", "--shared"])
def test_a_shallow_a_partial_and_a_borrowing_clone(lab: Lab, strategy: str, kind: str) -> None:
    lab.write({"README": "second\n"})
    lab.commit()
    if kind == "--shared":
        source, lab.project = lab.project, lab.folder / "copy"
        subprocess.run(["git", "clone", "--quiet", "--shared", str(source), str(lab.project)], check=True)
        # git writes whole paths here; people shorten them, and then they count from this very folder
        (lab.project / ".git/objects/info/alternates").write_text("../../../project/.git/objects\n")
    else:
        copy_of(lab, kind)
    before = everything(lab.project / ".git")
    script = f"""
        {IDENTITY}
        git log --oneline HEAD > told
        git show HEAD:README >> told
        {"git show HEAD~1:README >> told" if kind != "--depth=1" else ""}
        git fsck --no-dangling
        touch made; git add made; git commit --quiet -m x
    """
    result = lab.execute(lab.shell(script, f"sandbox: {strategy}"), options=AT_ONCE)

    assert [file["path"] for file in result["files"]] == ["made", "told"]
    assert everything(lab.project / ".git") == before
    assert lab.git("fsck", "--no-dangling") == ""


@pytest.mark.parametrize("strategy", ["worktree", "clone", "copy"])
@pytest.mark.parametrize("own", [False, True])
def test_a_sparse_checkout(lab: Lab, strategy: str, own: bool) -> None:
    lab.write({"in/a": "a\n", "out/b": "b\n"})
    lab.commit()
    if own:
        lab.git("worktree", "add", "--quiet", "--detach", str(lab.folder / "linked"))
        lab.project = lab.folder / "linked"
    lab.git("sparse-checkout", "set", "in")
    git = "git status --porcelain; git sparse-checkout list;" if strategy != "copy" else ""
    script = f"{{ {git} ls; }} > in/told; mkdir -p out; touch out/new"

    result = lab.execute(lab.shell(script, f"sandbox: {strategy}"))

    assert [file["path"] for file in result["files"]] == ["in/told", "out/new"]
    told = lab.git("show", f"{result['ref']}:in/told").splitlines()
    assert "out" not in told
    assert [line for line in told if not line.startswith("??")] == (
        ["in", "README", "in"] if strategy != "copy" else ["README", "in"]
    )


@pytest.mark.parametrize("strategy", WITH_GIT)
def test_a_linked_worktree_of_the_user_stays_as_it_was(rich: Lab, strategy: str) -> None:
    rich.git("worktree", "add", "--quiet", str(rich.folder / "linked"), "loose")
    main, rich.project = rich.project / ".git", rich.folder / "linked"
    before = everything(main)

    result = rich.execute(rich.shell(RAMPAGE, f"sandbox: {strategy}"), options=AT_ONCE)

    assert everything(main) == before
    assert [file["path"] for file in result["files"]] == ["committed", "hidden-by-exclude", "other-file"]


@pytest.mark.parametrize("strategy", WITH_GIT)
def test_filters_of_the_project_work_in_a_sandbox(lab: Lab, strategy: str) -> None:
    lab.git("config", "filter.swap.clean", "tr a-z A-Z")
    lab.git("config", "filter.swap.smudge", "tr A-Z a-z")
    lab.git("config", "filter.swap.required", "true")
    lab.write({".gitattributes": "*.swap filter=swap\n", "x.swap": "text\n", "y.swap": "text\n"})
    lab.commit()
    script = """
        grep text x.swap
        test -z "$(git status --porcelain)"
        echo more >> x.swap
    """
    result = lab.execute(lab.shell(script, f"sandbox: {strategy}"))

    assert [file["path"] for file in result["files"]] == ["x.swap"]
    assert lab.git("show", f"{result['ref']}:x.swap") == "TEXT\nMORE"


@pytest.mark.parametrize("strategy", WITH_GIT)
def test_thousands_of_refs_are_one_file(lab: Lab, strategy: str) -> None:
    head = lab.git("rev-parse", "HEAD")
    lines = "".join(f"create refs/heads/b{number} {head}\n" for number in range(5000)).encode()
    subprocess.run(["git", "update-ref", "--stdin"], cwd=lab.project, input=lines, check=True)

    box = lab.make_sandbox(strategy)

    listed = subprocess.run(["git", "for-each-ref"], cwd=box.path, check=True, capture_output=True).stdout
    assert listed.count(b"\n") == 5001
    assert not list((box.path / ".git/refs/heads").iterdir())


@pytest.mark.parametrize("strategy", ["worktree", "clone", "copy"])
def test_the_executable_bit_follows_the_settings_of_the_project(lab: Lab, strategy: str) -> None:
    lab.write({"script": "x\n"})
    (lab.project / "script").chmod(0o755)
    lab.git("config", "core.fileMode", "false")
    lab.git("add", "--chmod=+x", "script")
    lab.git("commit", "--quiet", "--message=script")

    result = lab.execute(
        lab.shell("test -x script; chmod -x script; chmod +x README; ln -s README l", f"sandbox: {strategy}")
    )

    assert [file["path"] for file in result["files"]] == ["l"]
    assert lab.git("ls-tree", result["ref"], "l").startswith("120000")


@pytest.mark.parametrize("strategy", ["worktree", "clone", "copy"])
def test_an_edit_of_the_same_size_in_the_same_instant_is_captured(lab: Lab, strategy: str) -> None:
    """The file has the size and the time that the index knows. Only its content, or its ctime, is another."""
    script = 'touch -r README stamp; printf "1ne\\ntwo\\nthree\\n" > README; touch -r stamp README; rm stamp'
    result = lab.execute(lab.shell(script, f"sandbox: {strategy}"))
    assert [file["path"] for file in result["files"]] == ["README"]


@pytest.mark.parametrize("strategy", ["worktree", "clone", "copy"])
def test_the_head_as_the_base_leaves_uncommitted_work_out(lab: Lab, strategy: str) -> None:
    lab.write({"README": "edited\n", "untracked": "u\n", "staged": "s\n"})
    lab.git("add", "staged")

    box = lab.make_sandbox(strategy, base="head")

    assert box.base == lab.git("rev-parse", "HEAD")
    assert sorted(path.name for path in box.path.iterdir() if path.name != ".git") == ["README"]


IN_A_HOOK = """
import sys
from pathlib import Path
from agentsd.plans import capture, lifecycle, repository, sandbox
project, state, strategy = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
repo = repository.open_repository(project, state)
request = sandbox.SandboxRequest(plan_id="P", job_id="J", strategy=strategy)
box = lifecycle.create(repo, state, request)
(box.path / "made").touch()
print([each.path for each in capture.capture(repo, state, box).changes.files])
"""


@pytest.mark.parametrize("strategy", ["worktree", "clone", "copy"])
def test_inside_a_hook_of_a_commit_a_plan_works(lab: Lab, strategy: str) -> None:
    """Git holds the index lock then, and says in the environment where its index and its directory are."""
    (lab.folder / "in_a_hook.py").write_text(IN_A_HOOK)
    hook = lab.project / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    command = f"{sys.executable} {lab.folder}/in_a_hook.py {lab.project} {lab.state} {strategy}"
    hook.write_text(f"#!/bin/sh\n{command} > {lab.folder}/told 2>&1\n")
    hook.chmod(0o755)
    lab.write({"README": "committed\n"})

    lab.git("commit", "--quiet", "--all", "--message=in a hook")

    assert (lab.folder / "told").read_text() == "['made']\n"
    assert lab.git("status", "--porcelain") == ""


MAKE = """
import sys
from pathlib import Path
from agentsd.plans import lifecycle, repository, sandbox
project, state, strategy = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
repo = repository.open_repository(project, state)
lifecycle.create(repo, state, sandbox.SandboxRequest(plan_id="P", job_id="J", strategy=strategy))
"""


def assert_cleaned(lab: Lab, before: dict[str, str]) -> None:
    """What the killed one left is known, is never captured, and goes at the next cleanup."""
    (found,) = upkeep.survey(lab.state, {})
    assert (found.kind, found.removable) in [("incomplete", True), ("missing", True)]
    assert upkeep.late_result(lab.state, "P") is None
    assert [each.removable for each in upkeep.cleanup(lab.state, {})] == [True]
    assert upkeep.survey(lab.state, {}) == []
    assert list((lab.state / "sandboxes").glob("*")) == []
    assert everything(lab.project / ".git") == before
    assert lab.execute(lab.shell("touch made"), options=AT_ONCE)["files"]


@pytest.mark.parametrize("strategy", ["worktree", "clone", "copy"])
@pytest.mark.parametrize("point", ["sandbox.recorded", "sandbox.made"])
def test_a_kill_between_two_acts_of_making_leaves_nothing_unknown(
    lab: Lab, strategy: str, point: str
) -> None:
    before = everything(lab.project / ".git")

    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(lab.project), str(lab.state), strategy],
        env={**os.environ, "AGENTS_FAULTS": f"{point}=kill"},
        check=False,
    )

    assert done.returncode == -signal.SIGKILL
    assert_cleaned(lab, before)


@pytest.mark.parametrize("strategy", ["worktree", "clone", "copy"])
def test_a_kill_in_the_middle_of_a_checkout_leaves_nothing_unknown(lab: Lab, strategy: str) -> None:
    started, pipe = lab.folder / "started", lab.folder / "pipe"
    os.mkfifo(pipe)
    lab.write({".gitattributes": "slow filter=slow\n", "slow": "s\n", "zzz": "z\n"})
    lab.commit()
    lab.git("config", "filter.slow.smudge", f"touch {started}; cat {pipe}")
    before = everything(lab.project / ".git")

    maker = subprocess.Popen(
        [sys.executable, "-c", MAKE, str(lab.project), str(lab.state), strategy], start_new_session=True
    )
    try:
        eventually(started.exists, 60, "the checkout has begun")
    finally:
        os.killpg(maker.pid, signal.SIGKILL)
        maker.wait()

    lab.git("config", "--unset", "filter.slow.smudge")
    before["config"] = everything(lab.project / ".git")["config"]
    assert_cleaned(lab, before)


def test_a_kill_while_git_registers_a_worktree_leaves_nothing_unknown(lab: Lab) -> None:
    """Then its entry is locked by git itself, "initializing", and no prune ever takes it away."""
    before = everything(lab.project / ".git")
    box = sandbox.planned(
        lab.repository(),
        lab.state,
        SandboxRequest(plan_id="P", job_id="J", strategy="worktree"),
        lab.git("rev-parse", "HEAD"),
    )
    box.save()
    hook = lab.folder / "hooks/reference-transaction"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nkill -9 $(cat ../adding)\n")
    hook.chmod(0o755)
    script = (
        f"echo $$ > ../adding; exec git -c core.hooksPath={hook.parent} worktree add --detach {box.root} HEAD"
    )
    done = subprocess.run(["sh", "-c", script], cwd=lab.project, capture_output=True, check=False)

    (admin,) = (lab.project / ".git/worktrees").iterdir()
    assert done.returncode == -signal.SIGKILL
    assert (admin / "locked").read_text().strip() == "initializing"
    assert_cleaned(lab, before)


def test_an_entry_that_points_nowhere_yet_is_found_by_its_name(lab: Lab) -> None:
    before = everything(lab.project / ".git")
    box = sandbox.planned(
        lab.repository(), lab.state, SandboxRequest(plan_id="P", job_id="J", strategy="worktree"), "x"
    )
    box.save()
    admin = lab.project / ".git/worktrees" / box.path.name
    admin.mkdir(parents=True)
    (admin / "locked").write_text("initializing\n")

    assert_cleaned(lab, before)


@pytest.mark.parametrize("strategy", WITH_GIT)
def test_a_folder_removed_by_hand_hinders_neither_another_execute_nor_a_discard(
    lab: Lab, strategy: str
) -> None:
    plan = lab.shell("touch made", f"sandbox: {strategy}")
    first = lab.execute(plan)
    sandbox.remove_tree(Path(first["sandbox"]))

    again = lab.execute(plan)
    assert lab.git("diff", "--name-only", first["base"], first["result"]) == "made"
    assert again["files"] == first["files"]

    upkeep.discard(lab.state, "PLAN", lab.project)
    assert sandbox.recorded(lab.state) == []
    assert refs.listed(lab.repository().git) == {}
    assert lab.git("worktree", "list").count("\n") == 0


def test_sixteen_beside_a_loop_of_prune_and_gc(lab: Lab) -> None:
    before = everything(lab.project / ".git")
    done = threading.Event()

    def keep_house(*command: str) -> None:
        while not done.is_set():
            subprocess.run(["git", *command], cwd=lab.project, check=False, capture_output=True)

    def work(number: int) -> list[str]:
        return lab.make_edit_capture(WITH_GIT[number % 2], number)

    with ThreadPoolExecutor(18) as pool:
        keepers = [
            pool.submit(keep_house, "worktree", "prune", "--expire=now"),
            pool.submit(keep_house, "gc", "--quiet"),
        ]
        try:
            found = list(pool.map(work, range(16)))
        finally:
            done.set()
    assert [keeper.result() for keeper in keepers] == [None, None]

    assert found == [[f"file{number}"] for number in range(16)]
    assert lab.git("worktree", "list").count("\n") == 0
    assert lab.git("fsck", "--no-dangling") == ""
    housekept = {"packed-refs", "refs/heads/main", "info/refs"}
    after = everything(lab.project / ".git")
    assert {name: after[name] for name in before if name not in housekept} == {
        name: before[name] for name in before if name not in housekept
    }
