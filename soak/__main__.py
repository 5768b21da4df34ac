"""``python -m soak [--minutes N] [--jobs N] [--seed N] [--json FILE] [--page FILE]``: 1 if a promise is broken or something grew."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from support.home import Home
from support.patience import eventually

from agentsd import Client
from agentsd.store.bulk import insert_all
from agentsd.store.jobs import NewJob
from evidence.circumstances import Run
from evidence.pages import put
from soak import promises
from soak.chaos import TTL, Chaos
from soak.load import Load
from soak.page import recorded
from soak.samples import Sample

PAUSE = 0.5
"""Mean seconds between two blows."""
LOOK_EVERY = 30.0
"""Seconds between looks while it goes on."""
SHARE = 500
"""Jobs that are queued at once in the second stage."""
MAY_GROW = {
    "rss": 8.0, "pss": 8.0, "descriptors": 0, "threads": 0, "zombies": 0, "wal": 70.0, "files": 0, "latency": 25.0,
}  # fmt: skip
"""How much more there may be at the end than at the start: MB, pieces, milliseconds.

Caches fill while the store grows; the jobs afterwards show that it ends. The write-ahead log's own limit is 64 MiB; a machine with other work to do adds milliseconds of its own.
"""


def main() -> int:
    """Run, look, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--jobs", type=int, default=10_000, help="that run afterwards, undisturbed")
    parser.add_argument("--seed", type=int, default=None, help="of the chance, to run the same again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put what was found into this page")
    wish = parser.parse_args()
    run = Run()
    seed = wish.seed if wish.seed is not None else random.SystemRandom().randrange(10**6)
    home = Home()
    home.set("async.cancel_grace", 0.5)
    home.set("async.shutdown_grace", 1)
    home.set("async.job_ttl", TTL)
    try:
        with home.connect() as client:
            found = soak(home, client, random.Random(seed), wish.minutes * 60, wish.jobs)  # noqa: S311 - to repeat a run
    finally:
        home.remove()
    report = {"about": {"seed": seed, "minutes": wish.minutes, "run": run.sentence()}, **found}
    _show(report)
    if wish.page:
        put(wish.page, "recorded", recorded(report, MAY_GROW))
    if wish.json:
        wish.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if report["broken"] or report["grown"] else 0


def soak(home: Home, client: Client, chance: random.Random, seconds: float, many: int) -> dict[str, object]:
    """Everything between the start of two supervisors and the look at what they left."""
    load = Load(client, home, chance)
    chaos = Chaos(home, client, chance)
    try:
        load.warm_up()
        before = Sample.take(home, client, chaos.steady)
        between = list(_storm(home, client, chance, load, chaos, seconds))
        chaos.victim.thaw()
        eventually(lambda: not _active(client), 120, lambda: f"the queue runs empty: {_active(client)}")
        after = Sample.take(home, client, chaos.steady)
        chaos.victim.stop()
        _run_many(client, load, many)
        later = Sample.take(home, client, chaos.steady)
    finally:
        chaos.end()
    ends = Counter(
        dict(client.db.read("SELECT status || ' ' || reason, count(*) FROM async_jobs GROUP BY 1"))
    )
    looks = {name: asdict(look) for name, look in (("before", before), ("after", after), ("later", later))}
    return {
        "jobs": len(load.accepted),
        "blows": dict(chaos.done),
        "ends": dict(ends),
        **looks,
        "between": [asdict(look) for look in between],
        "grown": [
            *_grown(looks["before"], looks["after"]),
            *_grown(_higher(looks["before"], looks["after"]), looks["later"]),
        ],
        "broken": promises.broken(home, client, load),
    }


def _storm(
    home: Home, client: Client, chance: random.Random, load: Load, chaos: Chaos, seconds: float
) -> Iterator[Sample]:
    """Work and blows for so long; yields a look every now and then."""
    until = time.monotonic() + seconds
    look_at = time.monotonic()
    while (now := time.monotonic()) < until:
        load.fill()
        chaos.strike()
        chaos.revive()
        if now >= look_at:
            look_at = now + LOOK_EVERY
            yield Sample.take(home, client, chaos.steady, probe=False)
        time.sleep(chance.uniform(0, 2 * PAUSE))  # blows fall at random moments, after no event


def _run_many(client: Client, load: Load, many: int) -> None:
    """Thousands of small jobs, through the one supervisor that is left."""
    for begin in range(0, many, SHARE):
        new = [NewJob(phase="noop") for _ in range(min(SHARE, many - begin))]
        with client.db.write() as tx:
            queued = insert_all(tx, new)
        load.accepted |= {job.job_id: "" for job, _ in queued}
        eventually(lambda: not _active(client), 300, "a share has run")


def _higher(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: max(one[name], other[name]) for name in MAY_GROW}


def _grown(first: Mapping[str, float], last: Mapping[str, float]) -> list[str]:
    return [name for name, more in MAY_GROW.items() if last[name] - first[name] > more]


def _active(client: Client) -> list[tuple[str, str]]:
    return client.db.read("SELECT job_id, status FROM async_jobs WHERE status IN ('queued', 'running')")


def _show(report: dict[str, Any]) -> None:
    console = Console(width=120)
    console.print(report["about"]["run"], f"Seed {report['about']['seed']}.")
    console.print("jobs acknowledged:", report["jobs"], "blows:", report["blows"])
    console.print("ends:", report["ends"])
    looks = ("before", "after", "later")
    table = Table("of the steady supervisor", *looks, "may grow by")
    for name, more in MAY_GROW.items():
        table.add_row(name, *(f"{report[look][name]:.4g}" for look in looks), f"{more:g}")
    console.print(table)
    console.print("grown:", report["grown"] or "nothing", "- broken promises:", report["broken"] or "none")


if __name__ == "__main__":
    sys.exit(main())
