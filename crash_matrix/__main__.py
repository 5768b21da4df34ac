"""``python -m crash_matrix``: play the cells, say what falls short, write the page."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from crash_matrix.cells import Cell, all_cells, cut
from crash_matrix.page import page
from crash_matrix.play import Finding, play, prepare
from evidence.circumstances import Run


def main() -> int:
    """The exit code is 1 if a cell fell short, 2 if there is no such cell."""
    options = _options()
    cells = [cell for cell in (cut() if options.cut else all_cells()) if options.only in cell.name]
    if not cells:
        print(f"No cell has {options.only!r} in its name.", file=sys.stderr)
        return 2
    run = Run()
    findings = _play_all(cells, options.jobs, options.source)
    short = [finding for finding in findings if finding.problem]
    print(f"{len(findings)} cells in {run.seconds:.0f} s, {len(short)} fell short")
    for finding in short:
        print(f"\n--- {finding.cell.name}\n{finding.problem}")
    if options.page is not None:
        options.page.write_text(page(findings, run.sentence()))
    return 1 if short else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="crash_matrix", description=__doc__)
    parser.add_argument("--cut", action="store_true", help="a small part, for every run of the tests")
    parser.add_argument("--only", default="", metavar="TEXT", help="cells whose name contains TEXT")
    parser.add_argument("--jobs", type=int, default=3, help="cells at once [3]")
    parser.add_argument(
        "--source", type=Path, help="a checkout whose product is tried instead of the installed one"
    )
    parser.add_argument("--page", type=Path, help="write what was found to this file")
    return parser.parse_args()


def _play_all(cells: list[Cell], at_once: int, source: Path | None) -> list[Finding]:
    findings: list[Finding] = []
    # Fresh processes: a store's connection is not carried over a fork.
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn"), initializer=prepare) as pool:
        for finding in pool.map(play, cells, [source] * len(cells)):
            findings.append(finding)
            word = "RED" if finding.problem else "ok "
            print(f"{word} {finding.seconds:5.1f} s  {finding.cell.name}: {finding.words}", flush=True)
    return findings


if __name__ == "__main__":
    sys.exit(main())
