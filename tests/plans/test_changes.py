"""Change sets: every kind of change, told rightly and after the sandbox is gone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.plan_lab import Lab

from agentsd.errors import SandboxError
from agentsd.plans import journal, merge
from agentsd.plans.changes import diff_text, outside
from agentsd.plans.durable import sync_folders
from agentsd.plans.git import shown
from agentsd.plans.repository import open_repository

EVERYTHING = r"""
mv moved renamed
rm deleted
chmod +x script
ln -s target link
rm typed; ln -s elsewhere typed
printf 'a\000b' > binary
printf 'windows\r\n' > crlf
printf x > "$(printf 'new\nline')"
printf x > 'tab	and "quote"'
printf x > "$(printf 'latin\351')"
"""
"""Leaves every kind of change that git knows."""


@pytest.fixture
def result(lab: Lab) -> dict[str, object]:
    """The change set of a plan that does everything."""
    lab.write(
        {"moved": "many lines\n" * 20, "deleted": "d\n", "script": "s\n", "typed": "t\n", "folder/f": "f\n"}
    )
    lab.commit()
    return lab.execute(lab.shell(EVERYTHING), options={"sandbox_cleanup": "on_terminal"})


def test_every_kind_of_change_is_listed(result: dict[str, object]) -> None:
    assert result["files"] == [
        {"path": "binary", "status": "added"},
        {"path": "crlf", "status": "added"},
        {"path": "deleted", "status": "deleted"},
        {"path": "latin\\xe9", "status": "added"},
        {"path": "link", "status": "added"},
        {"path": "new\nline", "status": "added"},
        {"path": "renamed", "status": "renamed", "previous": "moved"},
        {"path": "script", "status": "modified"},
        {"path": 'tab\tand "quote"', "status": "added"},
        {"path": "typed", "status": "type changed"},
    ]


def test_the_patch_is_one_that_git_applies(lab: Lab, result: dict[str, object]) -> None:
    base, end = str(result["base"]), str(result["result"])

    patch = diff_text(lab.project, base, end, state_root=lab.state)

    subprocess.run(["git", "apply", "--index", "-"], cwd=lab.project, input=patch, check=True)
    assert lab.git("write-tree") == lab.git("rev-parse", f"{end}^{{tree}}")


def test_the_patch_ignores_the_users_own_ways_of_showing_it(lab: Lab, result: dict[str, object]) -> None:
    lab.git("config", "diff.external", "false")
    lab.git("config", "diff.noprefix", "true")
    lab.git("config", "color.ui", "always")

    patch = diff_text(lab.project, str(result["base"]), str(result["result"]), state_root=lab.state)

    assert b"diff --git a/crlf b/crlf\nnew file mode 100644" in patch


def test_the_table_and_the_colours(lab: Lab, result: dict[str, object]) -> None:
    base, end = str(result["base"]), str(result["result"])

    stat = diff_text(lab.project, base, end, state_root=lab.state, form="stat")
    names = diff_text(lab.project, base, end, state_root=lab.state, form="names")
    colored = diff_text(lab.project, base, end, state_root=lab.state, color=True)

    assert b"10 files changed" in stat
    assert names.splitlines() == [
        b"A\tbinary",
        b"A\tcrlf",
        b"D\tdeleted",
        b'A\t"latin\\351"',
        b"A\tlink",
        b'A\t"new\\nline"',
        b"R100\tmoved\trenamed",
        b"M\tscript",
        b'A\t"tab\\tand \\"quote\\""',
        b"T\ttyped",
    ]
    assert b"\x1b[" in colored
    assert b"\x1b[" not in stat


def test_a_project_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="is not there any more"):
        diff_text(tmp_path / "gone", "a", "b", state_root=tmp_path)


@pytest.mark.parametrize(
    ("places", "strays"),
    [
        ((), []),
        (("src/**", "VERSION"), ["other/x", "srcs"]),
        (("src", "other", "srcs", "VERSION"), []),
        (("*",), ["other/x", "src/a", "src/deep/b"]),
        (("**/x", "s*"), ["VERSION", "src/a", "src/deep/b"]),
    ],
)
def test_paths_say_where_changes_may_be(lab: Lab, places: tuple[str, ...], strays: list[str]) -> None:
    result = lab.execute(lab.shell("mkdir -p src/deep other; touch src/a src/deep/b other/x srcs VERSION"))
    git = open_repository(lab.project, lab.state).git

    assert outside(git, result["base"], result["result"], places) == strays


def test_any_name_can_be_shown() -> None:
    assert shown("ü\udce9") == "ü\\xe9"


def test_what_git_says_of_conflicts_may_end_anywhere() -> None:
    assert list(merge._conflicts(iter([]))) == []  # pyright: ignore[reportPrivateUsage]
    assert list(merge._conflicts(iter([b"name"]))) == []  # pyright: ignore[reportPrivateUsage]
    assert list(merge._conflicts(iter([b"name", b"", b"no number"]))) == []  # pyright: ignore[reportPrivateUsage]


def test_a_resumed_apply_that_is_put_back_has_one_journal(tmp_path: Path) -> None:
    for path in (journal.active_path(tmp_path, "P"), journal.applied_path(tmp_path, "P")):
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.name)

    journal.put_back(tmp_path, "P")

    assert journal.is_put_back(tmp_path, "P")
    assert len(list(path.parent.iterdir())) == 1


def test_a_folder_that_became_a_link_to_itself_needs_no_sync(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)

    sync_folders([loop, loop / "below", tmp_path / "gone", tmp_path])
    with pytest.raises(OSError, match="too long"):
        sync_folders([tmp_path / ("x" * 300)])
