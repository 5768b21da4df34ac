"""The page of the documentation that says what was measured: from the JSON of one run or several."""

from __future__ import annotations

from statistics import median
from typing import Any

Run = dict[str, Any]
_HEAD = """# Against the limits

What agentsd costs, against what this machine could do at best: a bare fork, a bare insert, a bare import. Each work is
done in turns with its limit, in one run; what counts is the ratio. The *floor* is what is owed, the *aim* what is wanted.

This page is written by a command, from what `nox -s limits` has measured:

```console
$ nox -s limits -- --json limits-1.json      # once, or several times
$ PYTHONPATH=features python -m limits --page docs/explanation/limits.md limits-1.json limits-2.json limits-3.json
```
"""
_BACKGROUND = """
[Performance](performance.md) says where the time goes, and what was tried.
"""


def of_runs(runs: list[Run]) -> str:
    """The whole page. Raises ValueError without a run."""
    if not runs:
        raise ValueError("expected at least one file that --json has written")
    parts = [_HEAD, "## The runs\n", _runs(runs), "## The figures\n", _legend(), _figures(runs)]
    return "\n".join(parts) + _BACKGROUND


def _runs(runs: list[Run]) -> str:
    names = list(runs[0]["about"])
    rows = [
        [str(number), *(run["about"].get(name, "") for name in names)] for number, run in enumerate(runs, 1)
    ]
    return _table(["run", *names], rows)


def _legend() -> str:
    return (
        "A cell of a run is the ratio where there is a limit to compare with, and the value itself where there is none: the median of its\n"
        "rounds, and in brackets the least and the greatest. *Held*: in how many of the runs the floor is.\n"
    )


def _figures(runs: list[Run]) -> str:
    found = [{figure["name"]: figure for figure in run["figures"]} for run in runs]
    names = list(dict.fromkeys(name for figures in found for name in figures))
    head = [
        "work",
        "agentsd",
        "limit",
        *(f"run {number}" for number in range(1, len(runs) + 1)),
        "floor",
        "aim",
        "held",
    ]
    return _table(head, [_row(name, [figures.get(name) for figures in found]) for name in names])


def _row(name: str, figures: list[Run | None]) -> list[str]:
    there = [figure for figure in figures if figure is not None]
    first = there[0]
    ours = f"{_number(median(median(figure['ours']) for figure in there))} {first['unit']}"
    limit = "" if first["limit"] is None else _number(median(median(figure["limit"]) for figure in there))
    sign = "≥" if first["higher"] else "≤"
    marks = ["" if first[key] is None else f"{sign} {first[key]:g}" for key in ("floor", "aim")]
    held = (
        "" if first["floor"] is None else f"{sum(bool(figure['held']) for figure in there)} of {len(there)}"
    )
    return [
        name,
        ours,
        limit,
        *("" if figure is None else _spread(figure["values"]) for figure in figures),
        *marks,
        held,
    ]


def _spread(values: list[float]) -> str:
    if len(values) == 1:
        return _number(values[0])
    return f"{_number(median(values))} ({_number(min(values))} to {_number(max(values))})"


def _number(value: float) -> str:
    """Three digits that count, and none of a small one behind the point that does not."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
