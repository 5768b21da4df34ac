"""An apply that is reverted leaves every byte and every permission bit as they were, whatever git makes of them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from support.killing import killed_at_change
from support.plan_lab import Lab

from agentsd.errors import ApplyConflictError, GitError, ProjectWriteError
from agentsd.plans import journal
from agentsd.plans.apply import check
from agentsd.plans.revert import revert

NOTEBOOK = "cell one\nout: a picture\ncell two\nout: a table\n"
STRIPPED = "cell one\ncell two\n"


@pytest.fixture
def lossy(lab: Lab) -> Lab:
    """A notebook of whose outputs git keeps nothing, and a file with line ends of two kinds where git keeps one."""
    lab.git("config", "filter.strip.clean", "grep -v ^out:")
    lab.write(
        {".gitattributes": "*.nb filter=strip\n*.txt text\n", "a.nb": NOTEBOOK, "mixed.txt": "a\r\nb\nc\n"}
    )
    lab.commit()
    return lab


def everything(project: Path) -> dict[str, tuple[object, ...]]:
    """Every path below the project with its permission bits and its bytes, but for git's own."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(project):
        if folder == str(project):
            folders.remove(".git")
        for path in (Path(folder, name) for name in (*folders, *files)):
            mode = path.lstat().st_mode
            body = path.readlink() if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
            found[str(path.relative_to(project))] = (oct(mode), body)
    return found


EDITS = {
    "rewritten": "echo 'cell three' >> a.nb; echo d >> mixed.txt",
    "deleted": "rm a.nb mixed.txt",
    "renamed": "git mv a.nb b.nb; mv mixed.txt other.txt",
    "made folders": "rm a.nb mixed.txt; mkdir a.nb mixed.txt; touch a.nb/x mixed.txt/x",
    "made links": "rm a.nb mixed.txt; ln -s README a.nb; ln -s README mixed.txt",
}


@pytest.mark.parametrize("script", EDITS.values(), ids=EDITS)
def test_what_git_does_not_keep_comes_back(lossy: Lab, script: str) -> None:
    plan = lossy.shell(script)
    result = lossy.execute(plan)
    before = everything(lossy.project)
    lossy.apply(plan, result)
    assert everything(lossy.project) != before
    lossy.git("gc", "--quiet", "--prune=now")

    revert(lossy.state, "PLAN")

    assert everything(lossy.project) == before


@pytest.mark.parametrize("name", ["two\nlines.nb", ' "odd\\ name\r.nb', os.fsdecode(b"\xff.nb")])
def test_what_git_does_not_keep_comes_back_whatever_its_name(lossy: Lab, name: str) -> None:
    lossy.write({name: NOTEBOOK})
    plan = lossy.shell('for f in *.nb; do echo more >> "$f"; done')
    result = lossy.execute(plan)
    lossy.apply(plan, result)
    assert lossy.read(name) == STRIPPED + "more\n"

    revert(lossy.state, "PLAN")

    assert lossy.read(name) == NOTEBOOK


def test_a_full_disk_is_said_before_anything_is_put_back(lossy: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = lossy.shell("rm a.nb")
    lossy.apply(plan, lossy.execute(plan))
    after = everything(lossy.project)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("agentsd.plans.originals._copy_one", full)
        with pytest.raises(ProjectWriteError, match=r"a\.nb cannot be written: No space left.*is as it was"):
            revert(lossy.state, "PLAN")

    assert everything(lossy.project) == after


def test_bytes_that_are_lost_are_said_by_name(lossy: Lab) -> None:
    plan = lossy.shell("rm a.nb")
    lossy.apply(plan, lossy.execute(plan))
    written = journal.applied_path(lossy.state, "PLAN")
    data = json.loads(written.read_text())
    data["originals"]["a.nb"][-1] = "1" * 40
    written.write_text(json.dumps(data))

    with pytest.raises(GitError, match="what an apply replaced is not in the repository any more"):
        revert(lossy.state, "PLAN")


def test_a_journal_of_an_older_version_is_reverted_as_git_writes_it(lossy: Lab) -> None:
    plan = lossy.shell("echo 'cell three' >> a.nb")
    lossy.apply(plan, lossy.execute(plan))
    written = journal.applied_path(lossy.state, "PLAN")
    data = json.loads(written.read_text())
    for key in ("doomed", "originals", "kept", "written"):
        del data[key]
    written.write_text(json.dumps(data))

    revert(lossy.state, "PLAN")

    assert lossy.read("a.nb") == STRIPPED


def test_outside_git_line_ends_come_back_too(bare_lab: Lab) -> None:
    bare_lab.write({".gitattributes": "*.txt text\n", "mixed.txt": "a\r\nb\n"})
    plan = bare_lab.shell("echo c >> mixed.txt")
    bare_lab.apply(plan, bare_lab.execute(plan))

    revert(bare_lab.state, "PLAN")

    assert (bare_lab.project / "mixed.txt").read_bytes() == b"a\r\nb\n"


def test_an_apply_says_what_of_a_file_git_does_not_keep(
    lossy: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = lossy.shell("echo 'cell three' >> a.nb; echo d >> mixed.txt; echo x >> README; touch new")
    result = lossy.execute(plan)

    assert check(lossy.state, lossy.request(plan, result))["unkept"] == ["a.nb", "mixed.txt"]
    assert lossy.apply(plan, result)["unkept"] == ["a.nb", "mixed.txt"]

    assert "a.nb, mixed.txt" in capsys.readouterr().out


def test_what_is_as_a_checkout_leaves_it_is_kept_by_git(lab: Lab) -> None:
    lab.write({".gitattributes": "*.txt text eol=crlf\n", "dos.txt": "a\r\nb\r\n"})
    lab.commit()
    plan = lab.shell("printf 'c\\r\\n' >> dos.txt")

    assert lab.apply(plan, lab.execute(plan))["unkept"] == []


def test_what_was_edited_since_where_git_sees_nothing_stops_a_revert(lossy: Lab) -> None:
    plan = lossy.shell("echo 'cell three' >> a.nb")
    lossy.apply(plan, lossy.execute(plan))
    lossy.write({"a.nb": lossy.read("a.nb") + "out: hours of work\n"})
    before = everything(lossy.project)

    with pytest.raises(ApplyConflictError, match=r"changed since the apply: a\.nb"):
        revert(lossy.state, "PLAN")

    assert everything(lossy.project) == before


@pytest.mark.parametrize("number", [3, 5, 6, 7])
def test_a_killed_apply_that_goes_on_keeps_what_stood_first(lossy: Lab, number: int) -> None:
    plan = lossy.shell("echo 'cell three' >> a.nb; rm mixed.txt; echo x >> README")
    result = lossy.execute(plan)
    before = everything(lossy.project)
    places = (lossy.project, lossy.state / "apply")
    assert killed_at_change(number, places, lambda: lossy.apply(plan, result))
    assert journal.unfinished(lossy.state, "PLAN")
    for _ in range(2):
        lossy.git("gc", "--quiet", "--prune=now")
        lossy.apply(plan, result)
    lossy.git("gc", "--quiet", "--prune=now")

    for at in (1, 2, 3):
        killed_at_change(at, places, lambda: revert(lossy.state, "PLAN"))
    revert(lossy.state, "PLAN")

    assert everything(lossy.project) == before


def test_what_the_user_did_after_a_kill_is_what_comes_back(lossy: Lab) -> None:
    lossy.write({"long.nb": "".join(f"cell {number}\nout: {number}\n" for number in range(20))})
    plan = lossy.shell("echo last >> long.nb; echo x >> README")
    result = lossy.execute(plan)
    places = (lossy.project, lossy.state / "apply")
    numbers = iter(range(1, 20))
    while not lossy.read("README").endswith("x\n"):
        assert killed_at_change(next(numbers), places, lambda: lossy.apply(plan, result))
    assert lossy.read("long.nb").startswith("cell 0\nout: 0\n")
    lossy.write({"long.nb": "first\nout: new\n" + lossy.read("long.nb")})
    before = lossy.read("long.nb")
    lossy.apply(plan, result)
    assert lossy.read("long.nb").startswith("first\ncell 0\ncell 1\n")

    revert(lossy.state, "PLAN")

    assert lossy.read("long.nb") == before


@pytest.mark.parametrize("script", ["rm secret", "echo x >> secret", "mv secret moved", "chmod +x secret"])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o700, 0o666])
def test_permissions_come_back(lab: Lab, script: str, mode: int) -> None:
    lab.write({"secret": "s\n"})
    (lab.project / "secret").chmod(mode)
    plan = lab.shell(script)
    before = everything(lab.project)
    lab.apply(plan, lab.execute(plan))

    revert(lab.state, "PLAN")

    assert everything(lab.project) == before


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o700, 0o664])
def test_an_executable_bit_that_git_is_told_to_ignore_stays(lab: Lab, mode: int) -> None:
    lab.write({"tool": "t\n"})
    (lab.project / "tool").chmod(0o755)
    lab.commit()
    lab.git("config", "core.fileMode", "false")
    (lab.project / "tool").chmod(mode)
    before = everything(lab.project)
    plan = lab.shell("echo x >> tool")
    lab.apply(plan, lab.execute(plan))
    assert (lab.project / "tool").stat().st_mode & 0o777 == mode

    revert(lab.state, "PLAN")
    assert everything(lab.project) == before

    gone = lab.shell("rm tool")
    lab.apply(gone, lab.execute(gone))
    revert(lab.state, "PLAN")
    assert everything(lab.project) == before


def test_folders_come_back_with_their_permissions(lab: Lab) -> None:
    lab.write(
        {"private/keys/one": "1\n", "private/keys/two": "2\n", "open/file": "f\n", "shared/file": "f\n"}
    )
    for name, mode in {"private": 0o700, "private/keys": 0o710, "open": 0o775, "shared": 0o1770}.items():
        (lab.project / name).chmod(mode)
    (lab.project / "open/empty/deeper").mkdir(parents=True)
    (lab.project / "open/empty").chmod(0o750)
    before = everything(lab.project)
    plan = lab.shell("rm -r private open shared; echo now a file > open; ls")
    lab.apply(plan, lab.execute(plan))
    assert not (lab.project / "private").exists()
    assert lab.read("open") == "now a file\n"

    for number in range(1, 8):
        killed_at_change(number, (lab.project,), lambda: revert(lab.state, "PLAN"))
    revert(lab.state, "PLAN")

    assert everything(lab.project) == before


def test_a_read_only_folder_comes_back_read_only(lab: Lab) -> None:
    lab.write({"fixed/file": "f\n"})
    plan = lab.shell("rm -r fixed")
    before = everything(lab.project) | {"fixed": ("0o40555", b"")}
    lab.apply(plan, lab.execute(plan))
    written = journal.applied_path(lab.state, "PLAN")
    data = json.loads(written.read_text())
    data["doomed"]["fixed"][0] = 0o555
    written.write_text(json.dumps(data))

    assert killed_at_change(4, (lab.project,), lambda: revert(lab.state, "PLAN"))
    revert(lab.state, "PLAN")

    assert everything(lab.project) == before
    (lab.project / "fixed").chmod(0o755)


def test_a_private_file_stays_private_under_its_new_name(lab: Lab) -> None:
    lab.write({"secret": "s\n", "tool": "t\n", "old": ""})
    (lab.project / "secret").chmod(0o600)
    (lab.project / "tool").chmod(0o710)
    (lab.project / "link").symlink_to("secret")
    plan = lab.shell("mv secret moved; mv tool new; mv link other; rm old")

    lab.apply(plan, lab.execute(plan))

    assert (lab.project / "moved").stat().st_mode & 0o777 == 0o600
    assert (lab.project / "new").stat().st_mode & 0o777 == 0o710
    assert (lab.project / "other").readlink() == Path("secret")


def test_it_stays_private_also_if_the_apply_is_killed_in_between(lab: Lab) -> None:
    lab.write({"secret": "s\n"})
    (lab.project / "secret").chmod(0o600)
    plan = lab.shell("mv secret moved; echo x > zzz")
    result = lab.execute(plan)
    numbers = iter(range(1, 9))
    while (lab.project / "secret").exists():
        assert killed_at_change(next(numbers), (lab.project,), lambda: lab.apply(plan, result))
    assert not (lab.project / "moved").exists()

    assert lab.apply(plan, result)["resumed"]

    assert (lab.project / "moved").stat().st_mode & 0o777 == 0o600


def test_a_pipe_where_an_apply_wrote_stops_a_revert(lab: Lab) -> None:
    plan = lab.shell("echo x >> README")
    lab.apply(plan, lab.execute(plan))
    (lab.project / "README").unlink()
    os.mkfifo(lab.project / "README")

    with pytest.raises(ApplyConflictError, match="changed since the apply: README"):
        revert(lab.state, "PLAN")


def test_permissions_that_were_changed_since_stay(lab: Lab) -> None:
    lab.write({"file": "f\n"})
    plan = lab.shell("echo x >> file")
    lab.apply(plan, lab.execute(plan))
    (lab.project / "file").chmod(0o600)

    revert(lab.state, "PLAN")

    assert (lab.project / "file").stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_not_there_is_not_there_again(lab: Lab) -> None:
    """Git lists a file that it was told not to look for, although it is not on the disk."""
    lab.write({"sparse": "s\n"})
    lab.commit()
    lab.git("update-index", "--skip-worktree", "sparse")
    (lab.project / "sparse").unlink()
    before = everything(lab.project)
    plan = lab.shell("git update-index --no-skip-worktree sparse; echo more > sparse; touch new")
    lab.apply(plan, lab.execute(plan))
    assert lab.read("sparse") == "more\n"

    revert(lab.state, "PLAN")

    assert everything(lab.project) == before


@pytest.fixture
def linkless(lab: Lab) -> Lab:
    """A repository whose links git is to write as plain files: one that was copied from another system."""
    (lab.project / "old").symlink_to("README")
    lab.commit()
    lab.git("config", "core.symlinks", "false")
    (lab.project / "old").unlink()
    lab.git("checkout", "--quiet", "--", "old")
    assert lab.read("old") == "README"
    return lab


@pytest.mark.parametrize(
    "script", ["ln -s README new", "rm old; ln -s nowhere old", "echo -n x > old", "rm old"]
)
@pytest.mark.parametrize("strategy", ["worktree", "clone", "copy"])
def test_links_are_reverted_where_git_is_told_that_there_are_none(
    linkless: Lab, strategy: str, script: str
) -> None:
    before = everything(linkless.project)
    plan = linkless.shell(script, f"sandbox: {strategy}")
    result = linkless.execute(plan)
    assert killed_at_change(
        3, (linkless.project, linkless.state / "apply"), lambda: linkless.apply(plan, result)
    )

    linkless.apply(plan, result)
    assert everything(linkless.project) != before
    assert linkless.apply(plan, result, plan_id="AGAIN")["empty"]
    revert(linkless.state, "PLAN")

    assert everything(linkless.project) == before


def test_a_plan_leaves_links_alone_that_are_plain_files(linkless: Lab) -> None:
    plan = linkless.shell("cat old > seen")

    result = linkless.execute(plan)

    assert [file["path"] for file in result["files"]] == ["seen"]
    linkless.apply(plan, result)
    assert linkless.read("seen") == "README"
