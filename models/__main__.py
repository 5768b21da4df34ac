"""``python -m models``: check the model, whole or without one of its guards."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from evidence.circumstances import Run
from evidence.pages import put
from models.checker import Report, check
from models.configurations import CONFIGURATIONS, LARGER
from models.page import WORLDS, actions, guards, world_row
from models.rules import Rules, names
from models.world import World


def main() -> int:
    """Exit 0: everything holds. 1: it does not, and here is how."""
    wanted = _arguments()
    rules = Rules()
    for guard in wanted.without:
        rules = rules.without(guard)
    chosen: Mapping[str, World] = LARGER if wanted.larger else CONFIGURATIONS
    run, rows = Run(), list[str]()
    for name, begin in chosen.items():
        started = time.monotonic()
        report = check(begin, rules)
        _show(name, report, time.monotonic() - started)
        if report.broken:
            return 1
        rows.append(world_row(name, begin, report))
    if wanted.page is not None:
        _write(wanted.page, run, rows, larger=wanted.larger)
    return 0


def _write(page: Path, run: Run, rows: Sequence[str], *, larger: bool) -> None:
    """Put what was found between the marks of the page."""
    table = "\n".join([*WORLDS, *rows])
    if larger:
        put(page, "larger", f"{run.sentence()} Everything holds.\n\n{table}")
        return
    put(page, "worlds", table)
    put(page, "actions", "\n".join(actions()))
    put(page, "guards", "\n".join(guards()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    parser.add_argument("--without", action="append", default=[], choices=names(), help="take a guard away")
    parser.add_argument("--larger", action="store_true", help="larger worlds: minutes instead of seconds")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put what was found into this page")
    return parser.parse_args()


def _show(name: str, report: Report, seconds: float) -> None:
    verdict = f"broken: {report.broken}" if report.broken else "holds"
    print(
        f"{name}: {report.states} states, {report.steps} steps, depth {report.depth}, {seconds:.1f} s: {verdict}"
    )
    for number, sentence in enumerate(report.story, 1):
        print(f"  {number:2}. {sentence}")


if __name__ == "__main__":
    sys.exit(main())
