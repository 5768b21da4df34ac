"""One finding of a check, and one process that was seen."""

from __future__ import annotations

from typing import NamedTuple

from agentsd.model import JSON

OK, WARNING, ERROR = "ok", "warning", "error"


class Finding(NamedTuple):
    """What was looked at, how it is (``ok``, ``warning`` or ``error``), and a sentence about it."""

    what: str
    level: str
    text: str

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object."""
        return {"check": self.what, "level": self.level, "text": self.text}


class Seen(NamedTuple):
    """One process: where it stands in the tree, and what it uses (seconds, bytes)."""

    pid: int
    parent: int
    role: str
    depth: int
    title: str
    state: str
    age_s: float
    cpu_s: float
    rss_bytes: int
    worker_id: str | None
    job_id: str | None

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object."""
        return self._asdict()
