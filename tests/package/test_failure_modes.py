"""The catalogue of failures names tests that exist, one at least for each row."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "explanation" / "failure_modes.md"
ROW = re.compile(r"^\| (?!what happens|---)(.+) \|$", re.MULTILINE)


def existing() -> set[str]:
    """Every test function."""
    files = (PROJECT / "tests").rglob("test_*.py")
    return {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}


def test_every_row_names_tests_that_exist() -> None:
    """A row that nothing shows is a claim."""
    rows = [row.split(" | ") for row in ROW.findall(PAGE.read_text())]
    shown = {row[0]: re.findall(r"`(test_\w+)`", row[-1]) for row in rows}

    assert len(shown) > 40
    assert [what for what, names in shown.items() if not names] == []
    assert {name for names in shown.values() for name in names} - existing() == set()
