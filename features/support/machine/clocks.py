"""Two clocks that a test moves: the awake time of the host, and the wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from agentsd.store import retention, transaction
from agentsd.supervisor import duties, fleet, ledger, reaper, timers, worker

AWAKE = (duties, fleet, ledger, reaper, timers, worker)
"""Modules that ask for awake time by ``time.monotonic()``."""
STEP = 0.001
"""Seconds that pass with each look at a clock's owner; no two transactions have the same wall time."""


class Clocks:
    """Awake time only goes on; the wall jumps both ways, but never shows one time twice."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._wall = datetime(2026, 1, 1, tzinfo=UTC)
        self._shown: set[str] = set()

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Have the product look at these."""
        for module in AWAKE:
            patch.setattr(module, "time", self)
        patch.setattr(transaction, "utc_now", self.utc_now)
        patch.setattr(retention, "datetime", self)

    def monotonic(self) -> float:
        """Awake time in seconds."""
        return self._now

    def now(self, _zone: tzinfo) -> datetime:
        """The wall clock, as ``datetime`` tells it."""
        return self._wall

    @property
    def wall(self) -> datetime:
        """The wall clock."""
        return self._wall

    def utc_now(self) -> str:
        """The wall clock as the product writes it."""
        while True:
            self._wall += timedelta(microseconds=1)
            text = self._wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            if text not in self._shown:
                self._shown.add(text)
                return text

    def pass_by(self, seconds: float) -> None:
        """Let time go on."""
        self._now += seconds
        self._wall += timedelta(seconds=seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self._wall += timedelta(seconds=seconds)
