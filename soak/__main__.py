"""``python -m soak [--minutes N] [--seed N] [--json FILE]``: exits with 1 if a promise is broken or something grew."""

from __future__ import annotations

import argparse
import json
import platform
import random
import sqlite3
import sys
import time
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from support.home import Home
from support.patience import eventually

from agentsd import Client
from soak import promises
from soak.chaos import Chaos
from soak.load import Load
from soak.samples import Sample

PAUSE = 0.5
"""Mean seconds between two blows."""
MAY_GROW = {"rss": 4.0, "descriptors": 0, "threads": 0, "zombies": 0, "wal": 70.0, "latency": 10.0}
"""How much more there may be at the end than at the start: MB, pieces, milliseconds. The log's own limit is 64 MiB."""


def main() -> int:
    """Run, look, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="of the chance, to run the same again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    wish = parser.parse_args()
    seed = wish.seed if wish.seed is not None else random.SystemRandom().randrange(10**6)
    home = Home()
    home.set("async.cancel_grace", 0.5)
    home.set("async.shutdown_grace", 1)
    try:
        with home.connect() as client:
            found = soak(home, client, random.Random(seed), wish.minutes * 60)  # noqa: S311 - to repeat a run
    finally:
        home.remove()
    report = {"about": _about(seed, wish.minutes), **found}
    _show(report)
    if wish.json:
        wish.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if report["broken"] or report["grown"] else 0


def soak(home: Home, client: Client, chance: random.Random, seconds: float) -> dict[str, object]:
    """Everything between the start of two supervisors and the look at what they left."""
    load = Load(client, home, chance)
    chaos = Chaos(home, client, chance)
    try:
        load.warm_up()
        before = Sample.take(home, client, chaos.steady)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            load.fill()
            chaos.strike()
            chaos.revive()
            time.sleep(chance.uniform(0, 2 * PAUSE))
        eventually(lambda: not _active(client), 120, lambda: f"the queue runs empty: {_active(client)}")
        after = Sample.take(home, client, chaos.steady)
    finally:
        chaos.end()
    ends = Counter(
        dict(client.db.read("SELECT status || ' ' || reason, count(*) FROM async_jobs GROUP BY 1"))
    )
    first, last = asdict(before), asdict(after)
    return {
        "jobs": len(load.accepted),
        "blows": dict(chaos.done),
        "ends": dict(ends),
        "before": first,
        "after": last,
        "grown": [name for name, more in MAY_GROW.items() if last[name] - first[name] > more],
        "broken": promises.broken(home, client, load),
    }


def _active(client: Client) -> list[tuple[str, str]]:
    return client.db.read("SELECT job_id, status FROM async_jobs WHERE status IN ('queued', 'running')")


def _about(seed: int, minutes: float) -> dict[str, str]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "minutes": f"{minutes:g}",
        "seed": str(seed),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
    }


def _show(report: dict[str, object]) -> None:
    console = Console(width=120)
    console.print(report["about"])
    console.print("jobs acknowledged:", report["jobs"], "blows:", report["blows"])
    console.print("ends:", report["ends"])
    table = Table("of the steady supervisor", "before", "after", "may grow by")
    first, last = report["before"], report["after"]
    assert isinstance(first, dict)
    assert isinstance(last, dict)
    for name, more in MAY_GROW.items():
        table.add_row(name, f"{first[name]:.4g}", f"{last[name]:.4g}", f"{more:g}")
    console.print(table)
    console.print("grown:", report["grown"] or "nothing", "- broken promises:", report["broken"] or "none")


if __name__ == "__main__":
    sys.exit(main())
