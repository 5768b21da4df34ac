"""``python -m models``: check the model, whole or without one of its guards."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping

from models.checker import Report, check
from models.configurations import CONFIGURATIONS, LARGER
from models.page import tables
from models.rules import Rules, names
from models.world import World


def main() -> int:
    """Exit 0: everything holds. 1: it does not, and here is how."""
    wanted = _arguments()
    if wanted.tables:
        print(tables())
        return 0
    rules = Rules()
    for guard in wanted.without:
        rules = rules.without(guard)
    chosen: Mapping[str, World] = LARGER if wanted.larger else CONFIGURATIONS
    for name, begin in chosen.items():
        started = time.monotonic()
        report = check(begin, rules)
        _show(name, report, time.monotonic() - started)
        if report.broken:
            return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    parser.add_argument("--without", action="append", default=[], choices=names(), help="take a guard away")
    parser.add_argument("--larger", action="store_true", help="larger worlds: minutes instead of seconds")
    parser.add_argument("--tables", action="store_true", help="print the tables of the documentation")
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
