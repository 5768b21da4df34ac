"""One measured figure: what we need, what the limit needs, and how far apart they may be."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Values of several rounds. With *limit*, one value a round, the figure is their ratio; else it is *ours*.

    *floor* is what is owed and *aim* what is wanted, of the ratio or of the value; *higher* says which way is better.
    """

    name: str
    unit: str
    ours: list[float]
    limit: list[float] | None = None
    floor: float | None = None
    aim: float | None = None
    higher: bool = False

    @property
    def values(self) -> list[float]:
        """The ratios of the rounds, or the values if there is no limit to compare with."""
        if self.limit is None:
            return self.ours
        return [mine / best for mine, best in zip(self.ours, self.limit, strict=True)]

    @property
    def median(self) -> float:
        """The median of :attr:`values`."""
        return median(self.values)

    @property
    def is_held(self) -> bool | None:
        """Whether the floor is held; None if there is none."""
        if self.floor is None:
            return None
        return self.median >= self.floor if self.higher else self.median <= self.floor

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return asdict(self) | {"median": self.median, "values": self.values, "held": self.is_held}

    def row(self) -> list[str]:
        """The cells of a table: name, ours, limit, ratio with spread, floor, aim, verdict."""
        ratio = "" if self.limit is None else _spread(self.values)
        limit = "" if self.limit is None else f"{median(self.limit):,.4g}"
        verdict = {None: "", True: "held", False: "NOT HELD"}[self.is_held]
        return [
            self.name,
            f"{_spread(self.ours)} {self.unit}",
            limit,
            ratio,
            "" if self.floor is None else f"{self.floor:g}",
            "" if self.aim is None else f"{self.aim:g}",
            verdict,
        ]


HEADINGS = ("work", "agentsd", "limit", "ratio", "floor", "aim", "")


def _spread(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:,.4g}"
    return f"{median(values):,.4g} ({min(values):,.3g} to {max(values):,.3g})"


def percentile(values: list[float], share: float) -> float:
    """The value below which *share* (0 to 1) of the sorted *values* lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
