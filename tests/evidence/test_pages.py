"""What a command found goes between the marks of its page, with when, where and on what it ran."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from evidence import circumstances
from evidence.circumstances import Run, commit, duration
from evidence.pages import NoPlaceError, put

PAGES = Path(__file__).parents[2] / "docs" / "reference"


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    """Again and again; a page without the marks is left as it is."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table -->\nold\n<!-- end of table -->\nafter\n")
    for _ in range(2):
        put(page, "table", "| new |\n")
    assert page.read_text() == "before\n<!-- table -->\n\n| new |\n\n<!-- end of table -->\nafter\n"
    with pytest.raises(NoPlaceError, match="not exactly one <!-- other -->"):
        put(page, "other", "x")


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("guards.md", "table"),
        ("soak.md", "recorded"),
        *(("formal_model.md", name) for name in ("worlds", "actions", "guards", "larger")),
    ],
)
def test_the_pages_have_their_marks(page: str, name: str, tmp_path: Path) -> None:
    """So that the commands can write them."""
    copy = tmp_path / page
    copy.write_text((PAGES / page).read_text())
    put(copy, name, "found")

    assert f"<!-- {name} -->\n\nfound\n" in copy.read_text()


def test_a_run_says_when_where_and_on_what(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Date, duration, commit, versions, machine, load; a tree that is not git's has no commit."""
    found = r"Run on \d{4}-\d\d-\d\d at \d\d:\d\d UTC in \d+ s: commit .+, agentsd .+, Python .+, SQLite .+, \w+ .+, \d+ cores; load"
    assert re.match(found, Run().sentence())
    assert duration(59.6) == "1 min 0 s"
    monkeypatch.setattr(circumstances, "PROJECT", tmp_path)
    assert commit() == "unknown (no git)"


def test_a_commit_with_changes_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A figure of a tree that nobody can check out again says so; other files do not count."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.py").touch()
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "x")):
        subprocess.run(("git", *words), cwd=tmp_path, check=True)
    monkeypatch.setattr(circumstances, "PROJECT", tmp_path)
    (tmp_path / "notes").touch()
    clean = commit()
    (tmp_path / "store" / "b.py").touch()

    assert re.fullmatch(r"[0-9a-f]{10,}", clean)
    assert commit() == f"{clean} with changes"
