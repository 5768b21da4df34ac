"""How the job at fault, and the healthy one beside it in the same worker, may end: by who was hit, how, and when."""

from __future__ import annotations

from crash_matrix.cells import DEADLY, Cell
from crash_matrix.points import Actor, Progress

DONE, LOST = {"completed"}, {"worker_lost"}
_OUTLIVES = {"stop", "delay", "busy", "full", "eagain", "emfile"}


def of_target(cell: Cell) -> set[str]:
    """The reasons that the job at fault may end with, where nothing but the fault ends it."""
    actor, fault, progress = cell.point.actor, cell.fault, cell.point.progress
    if fault in _OUTLIVES:
        return DONE
    if fault == "stop long":
        return {"stuck"}
    if progress is Progress.AHEAD:  # of the job that had the last process that stood by: perhaps it has begun
        return DONE if actor is Actor.JOB else DONE | LOST
    if fault in ("kill both", "kill all"):
        return DONE if progress in (Progress.QUEUED, Progress.ENDED) else LOST
    by_actor = {Actor.SUPERVISOR: _supervisor_dies, Actor.SPAWNER: _spawner_dies, Actor.JOB: _job_dies}
    return by_actor[actor](cell)


def _supervisor_dies(cell: Cell) -> set[str]:
    if cell.point.progress in (Progress.QUEUED, Progress.ENDED):
        return DONE
    # An exception lets it say its last words: an end that it has heard of is written.
    return DONE | LOST if cell.fault == "error" and cell.point.name.startswith("finish.") else LOST


def _spawner_dies(cell: Cell) -> set[str]:
    if cell.point.progress in (Progress.QUEUED, Progress.CLAIMED):
        return DONE  # the claim, if there is one, is held, and the next spawner forks
    # A result that has come is kept.
    return DONE | LOST if cell.point.name.startswith("sweep.") else LOST


def _job_dies(cell: Cell) -> set[str]:
    if cell.point.progress in (Progress.QUEUED, Progress.CLAIMED):
        return DONE  # its handler had not begun: it gets another process
    if cell.fault == "kill":
        return {"signalled"}
    return {"exited"} if cell.point.name == "result.sent" else {"handler_error"}


def of_plan(cell: Cell) -> set[str]:
    """The reasons that a phase of a plan may end with in a worker: only its job process is hit."""
    if cell.fault in _OUTLIVES:
        return DONE
    return {"signalled"} if cell.fault == "kill" else {"handler_error"}


def of_foreground(cell: Cell) -> set[str]:
    """The reasons that the one job of a foreground run may end with: its command is its supervisor."""
    if cell.point.progress is Progress.ENDED:
        return DONE
    return of_plan(cell) if cell.point.actor is Actor.JOB else of_target(cell)


def of_neighbour(cell: Cell) -> set[str]:
    """The reasons for the healthy job in the same worker: it ends with that worker, and by nothing else."""
    if cell.fault == "stop long":
        return {"stuck"}
    hits_worker = cell.point.actor in (Actor.SUPERVISOR, Actor.SPAWNER) and cell.fault in DEADLY
    return DONE | LOST if hits_worker else DONE
