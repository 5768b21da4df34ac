"""What a run has found, as Markdown for the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

UNITS = {"rss": "MB", "pss": "MB", "wal": "MB", "latency": "ms"}


def recorded(report: Mapping[str, Any], may_grow: Mapping[str, float]) -> str:
    """The part of the page that changes from run to run."""
    return "\n".join(_lines(report, may_grow))


def _lines(report: Mapping[str, Any], may_grow: Mapping[str, float]) -> Iterator[str]:
    about = report["about"]
    yield f"{about['run']} {about['minutes']:g} minutes of blows, seed {about['seed']}.\n"
    yield f"{report['jobs']:,} jobs were acknowledged. Blows: {_counts(report['blows'])}."
    yield f"Ends: {_counts(report['ends'])}.\n"
    yield f"Broken promises: **{_list(report['broken'], 'none')}**. Grown: **{_list(report['grown'], 'nothing')}**.\n"
    yield "| of the steady supervisor and its spawner | | before | after the storm | later, undisturbed | may grow by |"
    yield "|---|---|---|---|---|---|"
    for name, more in may_grow.items():
        looks = " | ".join(f"{report[look][name]:.4g}" for look in ("before", "after", "later"))
        yield f"| {name} | {UNITS.get(name, '')} | {looks} | {more:g} |"
    yield f"\nIn between: {_between(report['between'])}."


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in sorted(found.items()))


def _list(found: Iterable[str], none: str) -> str:
    return "; ".join(found) or none


def _between(looks: Iterable[Mapping[str, float]]) -> str:
    """The least and the most of what was looked at while it went on; latency is not probed then."""
    seen = [*looks]
    names = [name for name in seen[0] if name != "latency"]
    return ", ".join(
        f"{name} {min(look[name] for look in seen):.4g} to {max(look[name] for look in seen):.4g}"
        for name in names
    )
