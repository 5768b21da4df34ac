"""A change set in words."""

from __future__ import annotations

from typing import Any

import pytest

from agentsd.cli.plan.results import change_words


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"empty": True}, "nothing"),
        ({"empty": True, "ignored": 2}, "nothing; 2 ignored paths left out"),
        (
            {"files": [1], "insertions": 2, "deletions": 0, "ignored": 1},
            "1 file, +2 -0; 1 ignored path left out",
        ),
        ({"files": [1, 2], "insertions": 2, "deletions": 0, "kind": "partial"}, "2 files, +2 -0 (partial)"),
        ({"files": [1]}, "1 file"),
    ],
)
def test_a_change_is_said_in_a_few_words(result: dict[str, Any], words: str) -> None:
    """Also how much of the steps' work is not in it, because git ignores it."""
    assert change_words(result) == words
