"""The page of faults names tests; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "reference" / "store_faults.md"


def test_every_test_that_the_page_names_exists() -> None:
    """A test that was renamed is noticed here; a name without a file is of the file before it."""
    files = {path.name: path.read_text() for path in (PROJECT / "tests").rglob("test_*.py")}
    missing: list[str] = []
    named = 0
    for line in PAGE.read_text().partition("## Where it is tested")[2].splitlines():
        file = ""
        for its_file, name in re.findall(r"`(?:(test_\w+\.py)::)?(test_\w+)`", line):
            file = its_file or file
            named += 1
            if not re.search(rf"^def {name}\(", files.get(file, ""), re.MULTILINE):
                missing.append(f"{file}::{name}")

    assert named > 30
    assert missing == []
