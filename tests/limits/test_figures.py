"""What is measured is judged and shown right; the measuring itself is not a matter of tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from limits.figure import Figure
from limits.page import of_runs

ROOT = Path(__file__).parents[2]
ABOUT = {"date": "2026-11-24 12:00 UTC", "cores": "2"}


@pytest.mark.parametrize(
    ("figure", "held"),
    [
        (Figure(name="drain", unit="jobs/s", ours=[40, 60, 50], limit=[100, 100, 100], floor=0.45, higher=True), True),
        (Figure(name="drain", unit="jobs/s", ours=[40, 60, 40], limit=[100, 100, 100], floor=0.45, higher=True), False),
        (Figure(name="pause", unit="ms", ours=[99.0], floor=100.0), True),
        (Figure(name="pause", unit="ms", ours=[101.0], floor=100.0), False),
        (Figure(name="rate", unit="/s", ours=[1.0], higher=True), None),
    ],
)  # fmt: skip
def test_a_floor_is_held_by_the_median_of_ratios_or_values(figure: Figure, held: bool | None) -> None:
    """Above it where more is better, below it where less is."""
    assert figure.is_held is held
    assert figure.row()[-1] == {None: "", True: "held", False: "NOT HELD"}[held]


def test_the_page_shows_every_run_and_in_how_many_a_floor_is_held(tmp_path: Path) -> None:
    """As the command writes it; a work that one run left out has an empty cell."""
    files: list[Path] = []
    for number, values in enumerate(([50.0, 60.0, 55.0], [30.0, 44.0, 40.0])):
        drain = Figure(
            name="drain", unit="jobs/s", ours=values, limit=[100.0] * 3, floor=0.45, aim=1, higher=True
        )
        figures = [drain, Figure(name="pause", unit="ms", ours=[12.34])][: 2 - number]
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(
            json.dumps({"about": ABOUT, "figures": [figure.to_json() for figure in figures]})
        )
    page = tmp_path / "page.md"
    subprocess.run(
        [sys.executable, "-m", "limits", "--page", page, *files],
        cwd=ROOT, env={"PYTHONPATH": "features", "PATH": "/usr/bin:/bin"}, check=True,
    )  # fmt: skip

    lines = page.read_text().splitlines()
    assert "| 2 | 2026-11-24 12:00 UTC | 2 |" in lines
    assert (
        "| drain | 47.5 jobs/s | 100 | 0.55 (0.5 to 0.6) | 0.4 (0.3 to 0.44) | ≥ 0.45 | ≥ 1 | 1 of 2 |"
        in lines
    )
    assert "| pause | 12.3 ms |  | 12.3 |  |  |  |  |" in lines


def test_a_page_of_nothing_is_refused() -> None:
    """There is always something to show."""
    with pytest.raises(ValueError, match="at least one file"):
        of_runs([])
