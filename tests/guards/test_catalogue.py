"""The catalogue of guards fits the product: a guard that was moved or reworded is noticed with the tests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from crash_matrix.cells import all_cells
from guards.catalogue import GUARDS
from guards.guard import MATRIX, Guard, MovedGuardError

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "reference" / "guards.md"


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_is_where_the_catalogue_says(guard: Guard, tmp_path: Path) -> None:
    """Exactly once; taking it away changes the file and leaves it Python."""
    path = tmp_path / guard.file
    path.parent.mkdir(parents=True)
    before = (PROJECT / guard.file).read_text()
    path.write_text(before)
    was = guard.remove(tmp_path)
    without = path.read_text()
    guard.put_back(tmp_path, was)

    assert before != without
    compile(without, guard.file, "exec")
    assert before == path.read_text()


@pytest.mark.parametrize("check", sorted({check for guard in GUARDS for check in guard.checks}))
def test_a_check_exists(check: str) -> None:
    """A test or a cell that was renamed is noticed here, and not only by the long run."""
    if check.startswith(MATRIX):
        assert any(check.removeprefix(MATRIX) in cell.name for cell in all_cells())
        return
    path, _, name = check.partition("::")

    assert not name or re.search(rf"^def {name}\(", (PROJECT / path).read_text(), re.MULTILINE)


def test_names_are_unique_and_on_the_page() -> None:
    """The page is the last whole run: ``nox -s guards -- --page docs/reference/guards.md``."""
    names = [guard.name for guard in GUARDS]
    page = PAGE.read_text()

    assert len(names) == len(set(names))
    assert [] == [name for name in names if f"| {name} |" not in page]
    assert "**nobody**" not in page


def test_a_guard_that_has_moved_fails(tmp_path: Path) -> None:
    """Whether its text is gone, or there twice."""
    guard = Guard("g", "w", "f.py", "a", "b", ())
    for text in ("", "aa"):
        (tmp_path / "f.py").write_text(text)
        with pytest.raises(MovedGuardError, match="exactly one"):
            guard.remove(tmp_path)


def test_a_guard_that_does_not_exist_is_no_success() -> None:
    """Where nothing is removed, nothing was noticed."""
    command = [sys.executable, "-m", "guards", "--only", "luck"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert (2, "No guard has any of ['luck'] in its name.\n") == (ended.returncode, ended.stderr)


@pytest.mark.slow
def test_the_command_removes_a_guard_and_names_who_notices() -> None:
    """In a copy, whose code is what runs."""
    command = [sys.executable, "-m", "guards", "--only", "trigger on births"]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert "| `store/schema.py` | `test_a_job_is_born_queued_only` |" in ended.stdout
