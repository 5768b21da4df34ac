"""The cells: which fault is tried at which point, with a job of which kind, and which are not tried and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from crash_matrix.points import POINTS, Actor, PointInfo, Progress

KINDS = (
    "plain", "child", "grandchild", "daemon", "stubborn", "native with the GIL", "native without the GIL", "chatty",
    "huge",
)  # fmt: skip
"""Kinds of jobs: what runs while the fault happens. ``stubborn`` ignores TERM, ``daemon`` is forked twice."""

ALL_KINDS_AT = ("start.gone", "run.begin", "run.end", "sweep.begin", "finish.commit")
"""Points at which every kind of job meets the deadly faults."""

MEANINGS = {
    "kill": "SIGKILL of the process that is at the point",
    "kill both": "SIGKILL of supervisor and spawner in one instant",
    "kill all": "SIGKILL of supervisor, spawner and the job process in one instant",
    "kill with job": "SIGKILL of the process that is at the point, and of the job process, in one instant",
    "stop": "SIGSTOP of the process, SIGCONT a second later",
    "stop long": "SIGSTOP until others have declared the supervisor lost, then SIGCONT",
    "delay": "the process sleeps for a second",
    "error": "an exception that nobody expects",
    "busy": "SQLITE_BUSY",
    "full": "SQLITE_FULL",
    "enospc": "ENOSPC",
    "eagain": "EAGAIN, as a full process table gives",
    "emfile": "EMFILE, no descriptor left",
}
SEVERAL = ("kill both", "kill all", "kill with job")
DEADLY = {"kill", *SEVERAL, "error"}

_WORKERS = (Actor.SUPERVISOR, Actor.SPAWNER)


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing that is tried."""

    point: PointInfo
    fault: str
    kind: str

    @property
    def name(self) -> str:
        """How it is called."""
        return f"{self.point.operation}: {self.point.name} = {self.fault} ({self.kind})"


def why_not(point: PointInfo, fault: str) -> str:
    """Why a fault is not tried at a point; empty if it is."""
    return next((why for applies, why in _limits(point, fault) if not applies), "")


def _limits(point: PointInfo, fault: str) -> Iterator[tuple[bool, str]]:
    if fault in ("busy", "full"):
        yield point.writes_store, "SQLite is not at work there"
    if fault == "enospc":
        yield point.writes_files, "no file is written there; a full disk under SQLite is SQLITE_FULL"
    if fault in ("eagain", "emfile"):
        yield point.makes_descriptors, "no process and no descriptor is made there"
    if fault in SEVERAL:
        yield point.actor in _WORKERS, "it is not supervisor or spawner that is there"
        yield point.operation in _WHOLE, "one of the two is dead already, or about to end"
    if fault in ("kill all", "kill with job"):
        yield (
            point.progress not in (Progress.QUEUED, Progress.AHEAD) and point.name not in _NO_PROCESS,
            "there is no job process",
        )
    if fault == "stop long":
        yield point.operation == "run", "it is tried in a run"
        yield (
            point.name in _LONG,
            "holding the writer mutex it keeps others from writing; elsewhere as at claim.committed",
        )


_WHOLE = (
    "run", "fork ahead", "cancel", "heartbeat", "succeed a dead worker", "execute in the foreground", "apply in the foreground",
)  # fmt: skip
"""Operations at whose points supervisor and spawner are both there."""
_NO_PROCESS = ("fork.before", "sweep.begin", "sweep.between", "sweep.end", "sweep.told",
               "finish.heard", "finish.begin", "finish.commit", "finish.committed", "reap.judged", "reap.swept", "reap.commit",
               "reap.committed", "stop.begin", "stop.unregistered")  # fmt: skip
_LONG = ("claim.committed", "start.stored", "start.gone", "finish.heard")


def all_cells() -> list[Cell]:
    """The whole matrix."""
    kinds = cycle(KINDS)
    cells = [
        Cell(point, fault, _kind(point, next(kinds)))
        for point in POINTS
        for fault in MEANINGS
        if not why_not(point, fault)
    ]
    extra = [
        Cell(point, fault, kind)
        for point in POINTS
        if point.operation == "run" and point.name in ALL_KINDS_AT
        for fault in ("kill", "kill both")
        if not why_not(point, fault)
        for kind in KINDS
    ]
    return list(dict.fromkeys([*cells, *extra]))


def _kind(point: PointInfo, kind: str) -> str:
    if point.operation in ("migrate", "prune"):
        return "plain"
    if point.operation.partition(" ")[0] in ("execute", "apply", "revert"):
        return "plan"
    # What is swept, or climbs the whole ladder, has to be there.
    if point.name in ("sweep.between", "orphans.between", "reap.swept"):
        return "daemon"
    return "stubborn" if point.name == "ladder.kill" else kind


CUT = (
    ("enqueue.inserted", "kill"), ("enqueue.committed", "kill"), ("claim.commit", "full"), ("claim.committed", "kill both"),
    ("fork.before", "eagain"), ("fork.forked", "kill"), ("child.session", "kill"), ("start.stored", "kill"),
    ("run.end", "kill"), ("sweep.between", "kill"), ("finish.commit", "busy"), ("finish.begin", "kill"),
    ("cancel.committed", "kill"), ("ladder.between", "kill"), ("orphans.begin", "kill"), ("reap.commit", "kill"), ("reap.judged", "error"),
    ("apply.between", "kill"), ("capture.begin", "kill"),
)  # fmt: skip


def cut() -> list[Cell]:
    """A small part that shows each promise once."""
    first: dict[tuple[str, str], Cell] = {}
    for cell in all_cells():
        first.setdefault((cell.point.name, cell.fault), cell)
    return [first[wanted] for wanted in CUT]
