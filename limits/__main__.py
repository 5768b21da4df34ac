"""``python -m limits [--quick] [--only WORK] [--json FILE]``: measure, and print the table of ratios.

Exit code 1: a floor is not held. ``--page PAGE FILE…`` measures nothing: it writes what such FILEs say as a page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from limits import endings, million, page, quiet, scale, throughput
from limits.figure import HEADINGS, Figure
from limits.surroundings import facts


def works(*, quick: bool) -> Mapping[str, Callable[[], Iterable[Figure]]]:
    """What is measured, by name; *quick* is for seeing that it runs."""
    rounds, jobs = (1, 100) if quick else (5, 1500)
    few, many = (6, 50) if quick else (30, 400)
    rows = 10_000 if quick else 1_000_000
    sizes = (1_000, 10_000) if quick else (10_000, 100_000, 1_000_000)
    seconds = 3 if quick else 20
    return {
        "drain": lambda: [
            throughput.drain(rounds, jobs, slots=slots, phase="noop") for slots in (1, 4, 8)
        ] + [throughput.drain(rounds, jobs // 5, slots=4, phase="sleep", milliseconds=20)],
        "supervisors": lambda: [throughput.two_supervisors(min(rounds, 3), jobs)],
        "pickup": lambda: throughput.pickup(min(rounds, 3), many),
        "enqueue": lambda: throughput.enqueue(rounds, many),
        "cancel": lambda: endings.cancels(few),
        "timeout": lambda: [endings.timeouts(few // 3)],
        "idle": lambda: quiet.idle(min(rounds, 3), seconds / 2),
        "growth": lambda: quiet.growth(200 if quick else 10_000),
        "claim": lambda: [
            scale.claims_beside_bare(rounds),
            *(figure for size in sizes for figure in scale.growth(rounds, size, finished=True)),
            *scale.growth(rounds, rows // 5, finished=False),
        ],
        "commands": lambda: scale.commands(3 if quick else 15),
        "rows": lambda: scale.commands_beside(3, rows),
        "scale": lambda: million.million(rows, seconds),
    }  # fmt: skip


def main() -> None:
    """Measure what is asked for, show each figure as it comes, and write them all."""
    parser = argparse.ArgumentParser(prog="python -m limits", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a minute instead of twenty; the figures mean nothing"
    )
    parser.add_argument("--only", action="append", metavar="WORK", help="only this work; repeatable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--page", type=Path, help="write the page of the runs in FILEs, and measure nothing")
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="what --json wrote, for --page")
    chosen = parser.parse_args()
    if chosen.page:
        chosen.page.write_text(page.of_runs([json.loads(file.read_text()) for file in chosen.files]))
        return
    known = works(quick=chosen.quick)
    unknown = set(chosen.only or ()) - set(known)
    if unknown:
        parser.error(f"expected one of {', '.join(known)}, got {', '.join(sorted(unknown))}")
    console = Console(width=160)
    about = facts()
    table = Table(*HEADINGS, title=", ".join(f"{name} {value}" for name, value in about.items()))
    figures: list[Figure] = []
    for name, measure in known.items():
        if chosen.only and name not in chosen.only:
            continue
        with console.status(f"measuring {name}"):
            found = list(measure())
        for figure in found:
            table.add_row(*figure.row())
        figures += found
        console.print(f"{name} measured", style="dim")
    console.print(table)
    missed = [figure.name for figure in figures if figure.is_held is False]
    console.print(f"floors not held: {', '.join(missed)}" if missed else "every floor is held")
    if chosen.json:
        chosen.json.write_text(
            json.dumps({"about": about, "figures": [figure.to_json() for figure in figures]}, indent=1) + "\n"
        )

    if missed:
        raise SystemExit(1)


main()
