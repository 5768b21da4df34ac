"""Submodules in a sandbox: filled from the user's copies without the network, and never lost silently."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from support.plan_lab import Lab, result_of

from agentsd.errors import SandboxError
from agentsd.plans.sandbox import Sandbox, recorded

EVERY = ["worktree", "clone", "copy"]
WITH_GIT = ["worktree", "clone"]


def git(folder: Path, *args: str) -> str:
    command = ["git", "-c", "protocol.file.allow=always", "-c", "user.name=a", "-c", "user.email=a@b", *args]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def content_of(folder: Path) -> dict[str, str]:
    """Every file below *folder* but objects, with a hash and its mode."""
    return {
        str(
            path.relative_to(folder)
        ): f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not {"objects", "worktrees"} & set(path.parts)
        and "refs/agents" not in str(path)
    }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a submodule ``lib`` that has one itself, ``lib/deep``, and one that is empty, ``unused``.

    Where they came from is gone, so nothing can be fetched.
    """
    folder = tmp_path_factory.mktemp("template")
    project, sources = folder / "project", folder / "sources"
    for name in ("deep", "lib", "unused", "../project"):
        source = sources / name
        source.mkdir(parents=True)
        git(source, "init", "--quiet", "--initial-branch=main")
        (source / "file").write_text(f"{name}\n")
        (source / ".gitignore").write_text("*.o\n")
        for inner in {"lib": ["deep"], "../project": ["lib", "unused"]}.get(name, []):
            git(source, "submodule", "--quiet", "add", str(sources / inner), inner)
        git(source, "add", "--all")
        git(source, "commit", "--quiet", "--message=x")
    git(project, "submodule", "--quiet", "update", "--init", "--recursive")
    git(project, "submodule", "--quiet", "deinit", "--force", "unused")
    shutil.rmtree(sources)
    return project


@pytest.fixture
def nested(template: Path, tmp_path: Path, state_root: Path) -> Lab:
    """A copy of the project with submodules."""
    lab = Lab(tmp_path, state_root)
    shutil.copytree(template, lab.project, dirs_exist_ok=True, symlinks=True)
    git(lab.project, "config", "user.name", "Ada")
    git(lab.project, "config", "user.email", "ada@example.org")
    git(lab.project, "submodule", "--quiet", "foreach", "--recursive", "git status > /dev/null")
    git(lab.project, "status")
    return lab


def only_box(lab: Lab) -> Sandbox:
    (box,) = recorded(lab.state)
    return box


@pytest.mark.parametrize("strategy", EVERY)
def test_the_submodules_that_the_user_has_are_there(nested: Lab, strategy: str) -> None:
    before = content_of(nested.project)

    result = nested.execute(
        nested.shell("cat lib/file lib/deep/file > made; ls -A unused >> made", f"sandbox: {strategy}")
    )

    assert nested.git("show", f"{result['ref']}:made") == "lib\ndeep"
    assert [file["path"] for file in result["files"]] == ["made"]
    box = only_box(nested)
    assert [(each.path, bool(each.git_dir)) for each in box.submodules] == [
        ("lib", True),
        ("lib/deep", True),
        ("unused", False),
    ]
    assert result["refused"] == []
    nested.apply(nested.shell("true", f"sandbox: {strategy}"), result)
    made = nested.project / "made"
    assert made.read_text() == "lib\ndeep\n"
    made.unlink()
    assert content_of(nested.project) == before
    assert not box.path.parent.exists()


@pytest.mark.parametrize("strategy", WITH_GIT)
def test_git_works_in_a_submodule_and_reaches_only_the_sandbox(nested: Lab, strategy: str) -> None:
    before = content_of(nested.project)
    script = """
        test -z "$(git status --porcelain)"
        git submodule status --recursive | grep "^ .* lib/deep " > /dev/null
        cd lib
        git log --oneline -1 origin/main
        git branch agent; git tag agent; git config alias.x status
        echo x >> file; git -c user.name=a -c user.email=a@b stash --quiet
        git gc --quiet --prune=now
    """
    result = nested.execute(
        nested.shell(script, f"sandbox: {strategy}"), options={"sandbox_cleanup": "on_terminal"}
    )

    assert result["empty"]
    assert content_of(nested.project) == before


CHANGES = {
    "an edited file": "echo x >> lib/file",
    "a new file": "touch lib/new",
    "a deleted file": "rm lib/file",
    "an edit below": "echo x >> lib/deep/file",
    "a lost git directory": "rm -rf lib/.git; echo x >> lib/file",
    "an edit that git was told to overlook": (
        "git -C lib update-index --assume-unchanged file || true; echo x >> lib/file"
    ),
    "a file in an empty one": "touch unused/new",
    "a repository in an empty one": "git init --quiet unused; touch unused/new",
    "a file in its place": "rm -rf lib; touch lib",
    "nothing in its place": "rm -rf lib",
}
PLACES = {
    "an edit below": {"lib/deep"},
    "a file in an empty one": {"unused"},
    "a repository in an empty one": {"unused"},
    "a file in its place": {"lib", "lib/deep"},
    "nothing in its place": {"lib", "lib/deep"},
}


@pytest.mark.parametrize("strategy", EVERY)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_a_submodule_is_refused_by_name(nested: Lab, strategy: str, change: str) -> None:
    pointer = nested.git("rev-parse", "HEAD:lib")
    before = content_of(nested.project)

    with pytest.raises(SandboxError, match="changed submodules, whose content cannot be captured") as caught:
        nested.execute(nested.shell(f"{CHANGES[change]}\ntouch made", f"sandbox: {strategy}"))

    result = result_of(caught.value)
    assert set(result["refused"]) == PLACES.get(change, {"lib"})
    assert result["kind"] == "partial"
    assert {"path": "made", "status": "added"} in result["files"]
    assert result["sandbox_kept"] is True
    assert nested.git("rev-parse", f"{result['ref']}:lib") == pointer
    assert content_of(nested.project) == before


@pytest.mark.parametrize("strategy", WITH_GIT)
@pytest.mark.parametrize("place", ["lib", "lib/deep"])
def test_another_commit_in_a_submodule_is_refused_although_its_content_is_the_same(
    nested: Lab, strategy: str, place: str
) -> None:
    script = f"git -C {place} -c user.name=a -c user.email=a@b commit --quiet --allow-empty --message=x"

    with pytest.raises(SandboxError, match="changed submodules") as caught:
        nested.execute(nested.shell(script, f"sandbox: {strategy}"))

    assert place in result_of(caught.value)["refused"]


@pytest.mark.parametrize("strategy", EVERY)
def test_ignored_files_and_rewritten_ones_in_a_submodule_are_no_change(nested: Lab, strategy: str) -> None:
    script = "touch lib/a.o; cp lib/file x; rm lib/file; mv x lib/file"
    assert nested.execute(nested.shell(script, f"sandbox: {strategy}"))["empty"]


def test_uncommitted_work_in_a_submodule_stays_behind_and_that_is_said(
    nested: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    (nested.project / "lib/file").write_text("the user's\n")

    result = nested.execute(nested.shell("cat lib/file > made"))

    assert nested.git("show", f"{result['ref']}:made") == "lib"
    assert "submodule lib: your uncommitted work in it is not carried along" in capfd.readouterr().out
    assert (nested.project / "lib/file").read_text() == "the user's\n"


def test_the_commit_that_the_user_has_checked_out_is_the_one(nested: Lab) -> None:
    (nested.project / "lib/file").write_text("newer\n")
    git(nested.project / "lib", "commit", "--quiet", "--all", "--message=newer")

    carried = nested.execute(nested.shell("cat lib/file > made"))
    older = nested.execute(nested.shell("cat lib/file > made"), options={"sandbox_base": "head"})

    assert nested.git("show", f"{carried['ref']}:made") == "newer"
    assert nested.git("show", f"{older['ref']}:made") == "lib"


def test_a_commit_that_the_user_has_not_is_not_fetched(
    nested: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    nested.git("update-index", "--cacheinfo", f"160000,{'1' * 40},lib")
    nested.git("commit", "--quiet", "--message=elsewhere")

    result = nested.execute(nested.shell("ls -A lib > made"), options={"sandbox_base": "head"})

    assert nested.git("show", f"{result['ref']}:made") == ""
    assert (
        "submodule lib: it is empty: your copy of it lacks the commit 111111111111" in capfd.readouterr().out
    )


def test_a_sandbox_is_captured_when_the_user_removed_the_submodule(nested: Lab) -> None:
    plan = nested.shell(f"rm -rf {nested.project}/.git/modules {nested.project}/lib; touch made")

    with pytest.raises(SandboxError, match="changed submodules"):
        nested.execute(plan)

    assert "made" in nested.git("ls-tree", "--name-only", "refs/agents/PLAN/JOB001/result")


def test_line_ends_in_a_submodule_are_no_change(nested: Lab) -> None:
    lib = nested.project / "lib"
    (lib / "dos.txt").write_bytes(b"a\r\nb\r\n")
    git(lib, "add", "--all")
    git(lib, "commit", "--quiet", "--message=dos")
    (lib / ".gitattributes").write_text("*.txt text\n")
    git(lib, "add", ".gitattributes")
    git(lib, "commit", "--quiet", "--message=attributes")

    script = "cp lib/dos.txt x; rm lib/dos.txt; mv x lib/dos.txt"
    assert nested.execute(nested.shell(script))["empty"]


def test_a_linked_worktree_with_submodules_can_be_the_project(nested: Lab) -> None:
    linked = nested.folder / "linked"
    nested.git("worktree", "add", "--quiet", "--detach", str(linked))
    url = f"submodule.lib.url={nested.project}/lib"
    git(linked, "-c", url, "submodule", "--quiet", "update", "--init", "lib")
    nested.project = linked

    result = nested.execute(nested.shell("cat lib/file > made"))

    assert nested.git("show", f"{result['ref']}:made") == "lib"
    assert [each.path for each in only_box(nested).submodules if each.git_dir] == ["lib"]
