"""``python -m limits [--quick] [--only WORD] [--json FILE]``: measure, and print the table of ratios."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from limits import endings, quiet, scale, throughput
from limits.figure import HEADINGS, Figure
from limits.surroundings import facts


def works(*, quick: bool) -> Mapping[str, Callable[[], Iterable[Figure]]]:
    """What is measured, by name; *quick* is for seeing that it runs."""
    rounds, jobs = (1, 100) if quick else (5, 1500)
    few, many = (10, 100) if quick else (30, 400)
    rows = 10_000 if quick else 1_000_000
    return {
        "drain": lambda: [
            throughput.drain(rounds, jobs, slots=slots, phase="noop") for slots in (1, 4, 8)
        ] + [throughput.drain(1, jobs // 5, slots=4, phase="sleep", milliseconds=20)],
        "pickup": lambda: throughput.pickup(many),
        "enqueue": lambda: throughput.enqueue(rounds, many),
        "cancel": lambda: endings.cancels(few),
        "timeout": lambda: [endings.timeouts(few // 3)],
        "idle": lambda: quiet.idle(3 if quick else 30),
        "growth": lambda: quiet.growth(200 if quick else 10_000),
        "claim": lambda: [
            scale.claims_beside(rows, finished=True), scale.claims_beside(rows // 5, finished=False)
        ],
        "commands": lambda: scale.commands(3 if quick else 15),
        "rows": lambda: scale.commands_beside(rows),
    }  # fmt: skip


def main() -> None:
    """Measure what is asked for, show each figure as it comes, and write them all."""
    parser = argparse.ArgumentParser(prog="python -m limits", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a minute instead of ten; the figures mean nothing"
    )
    parser.add_argument("--only", action="append", metavar="WORK", help="only this work; repeatable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    chosen = parser.parse_args()
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
    if chosen.json:
        chosen.json.write_text(
            json.dumps({"about": about, "figures": [figure.to_json() for figure in figures]}, indent=1) + "\n"
        )


main()
