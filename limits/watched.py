"""A supervisor that notes how long each turn of its loop takes: ``python -m limits.watched FILE``.

A turn is what it does between two waits: while it lasts, nobody is cancelled and no deadline of the supervisor is met.
"""

from __future__ import annotations

import argparse
import json
import resource
import selectors
import time
from pathlib import Path

from agentsd.store.paths import state_dir
from agentsd.store.settings import load_settings
from agentsd.supervisor.worker import AsyncWorker


class _Stopwatch(selectors.DefaultSelector):
    """The selector of the loop: the time between two calls of ``select`` is that of a turn."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[float] = []
        self.longest = (0.0, 0.0, 0.0)
        """The longest turn: seconds of it all, on a CPU, and in the queue for one."""
        self._since: tuple[float, float, float] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait, and begin a new turn."""
        if self._since is not None:
            spent = [now - then for now, then in zip(_now(), self._since, strict=True)]
            self.turns.append(spent[0])
            self.longest = max(self.longest, (spent[0], spent[1], spent[2]))
        ready = super().select(timeout)
        self._since = _now()
        return ready


def _now() -> tuple[float, float, float]:
    """Seconds of the clock, of this process on a CPU, and of it ready to run while another has the CPU."""
    on_cpu, waited, _ = Path("/proc/self/schedstat").read_text().split()
    return time.perf_counter(), int(on_cpu) / 1e9, int(waited) / 1e9


def main() -> None:
    """Work as ``agents worker start`` does, then write what was noted."""
    parser = argparse.ArgumentParser(prog="python -m limits.watched", description=__doc__)
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    worker = AsyncWorker(state_dir(), load_settings())
    watch = worker.selector = _Stopwatch()
    code = worker.run()
    turns = sorted(watch.turns)
    longest = [1000 * seconds for seconds in watch.longest]
    chosen.file.write_text(
        json.dumps(
            {
                "turns": len(turns),
                "longest_ms": longest[0],
                "of_it_on_cpu_ms": longest[1],
                "of_it_queued_for_a_cpu_ms": longest[2],
                "p999_ms": 1000 * turns[int(0.999 * (len(turns) - 1))],
                "above_100_ms": sum(turn > 0.1 for turn in turns),
                "max_rss_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
        )
    )
    raise SystemExit(code)


if __name__ == "__main__":
    main()
