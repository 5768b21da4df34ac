"""A small part of the crash matrix, and that its checks can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agentsd.faults import FAULTS
from crash_matrix.cells import CUT, KINDS, MEANINGS, all_cells, cut
from crash_matrix.play import play
from crash_matrix.points import POINTS
from crash_matrix.scenarios import SCENARIOS
from crash_matrix.stage import Stage

PROJECT = Path(__file__).parents[2]


def matrix(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the matrix as ``nox -s crash_matrix`` does."""
    environ = {**os.environ, "PYTHONPATH": str(PROJECT / "features")}
    return subprocess.run(
        [sys.executable, "-m", "crash_matrix", *options],
        cwd=PROJECT, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_small_part_holds() -> None:
    """One cell for each promise."""
    ended = matrix("--cut")

    assert 0 == ended.returncode, ended.stdout[-8000:] + ended.stderr[-4000:]
    assert f"{len(CUT)} cells" in ended.stdout


GUARDS = {
    "the sweep": (
        "workers/sweep.py",
        "    strays = [pid for pid in list_children() if pid not in known]\n",
        "    strays = []\n",
        "run: run.end = kill (daemon)",
        "left over",
    ),
    "the sweep before a burial": (
        "supervisor/remnants.py",
        "    if worker.boot_id != boot_id():\n        return []",
        "    if worker.boot_id:\n        return []",
        "run: start.gone = kill both (daemon)",
        "processes of it live",
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_is_missing_turns_a_cell_red(guard: str, tmp_path: Path) -> None:
    """In a copy of the product without it."""
    file, old, new, cell, words = GUARDS[guard]
    for room in ("cli", "plans", "store", "supervisor", "workers", "src"):
        shutil.copytree(PROJECT / room, tmp_path / room, symlinks=True)
    text = (tmp_path / file).read_text()
    assert 1 == text.count(old), f"{file} has no such guard any more"
    (tmp_path / file).write_text(text.replace(old, new))
    ended = matrix("--only", cell, "--source", str(tmp_path))

    assert 1 == ended.returncode, ended.stdout
    assert words in ended.stdout


def test_every_point_fault_and_kind_is_tried() -> None:
    """The reasons for not trying a fault leave none out, and no operation is without a scenario."""
    cells = all_cells()

    assert {cell.point for cell in cells} == set(POINTS)
    assert {cell.fault for cell in cells} == set(MEANINGS) > set(FAULTS)
    assert {cell.kind for cell in cells} == {*KINDS, "plan"}
    assert {point.operation for point in POINTS} == set(SCENARIOS)


def test_a_mistake_in_a_scenario_is_the_problem_of_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would take the findings of all the others away."""

    def mistaken(stage: Stage) -> dict[str, set[str]]:
        raise TypeError(f"nobody expects {stage.cell.fault}")

    cell = cut()[0]
    monkeypatch.setitem(SCENARIOS, cell.point.operation, mistaken)

    assert play(cell).problem == "TypeError: nobody expects kill"
