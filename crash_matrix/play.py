"""One cell, from an empty folder to a verdict."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from support.patience import eventually
from support.processes import become_subreaper, descendants, kill, reap_orphans

from crash_matrix import promises
from crash_matrix.cells import Cell
from crash_matrix.scenarios import SCENARIOS
from crash_matrix.stage import Stage

DRAINED = 40.0
"""Seconds in which everything that is queued or runs has ended, once the fault is over."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a cell: ``words`` say it; ``problem`` is empty if every promise was kept."""

    cell: Cell
    words: str
    problem: str
    seconds: float


def prepare() -> None:
    """Let every orphan come to this process, so that nothing gets out of sight."""
    become_subreaper()


def play(cell: Cell, source: Path | None = None) -> Finding:
    """Play a cell in a store of its own. Never raises: what goes wrong is the cell's problem."""
    begun = time.monotonic()
    stage = Stage(cell, source)
    problem = ""
    try:
        _play(stage)
    except Exception as error:  # noqa: BLE001 - one bad cell must not take the findings of all others away
        place = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"{type(error).__name__}: {error}" if str(error) else f"{type(error).__name__} at {place}"
        problem += "".join(f"\n{worker.said[-3000:]}" for worker in stage.workers if worker.log.exists())
    finally:
        stage.close()
        kill(descendants())
        reap_orphans()
    return Finding(cell, "; ".join(stage.told), problem, time.monotonic() - begun)


def _play(stage: Stage) -> None:
    endings = SCENARIOS[stage.cell.point.operation](stage)
    if not hasattr(stage, "client"):  # a migration has no worker, and looks at its store itself
        return
    _mend(stage)
    for role in ("target", "near", "far", "late"):
        stage.open(role)
    stage.enqueue("late", "plain")
    _drain(stage)
    for worker in stage.workers:
        code = worker.stop(30) if worker.process.poll() is None else None
        assert code in (0, None), f"a worker that was told to stop exited {code}"
    _tell(stage)
    promises.tables_are_right(stage)
    promises.effects_are_right(stage)
    promises.endings_are_right(stage, endings)
    if stage.cell.fault == "stop long":
        promises.late_ends_are_told(stage)
    promises.nothing_runs(stage)


def _mend(stage: Stage) -> None:
    """Start a worker again where the one at fault has ended."""
    at_fault = stage.workers[-1]
    if stage.cell.fault in ("error", "stop long"):
        _may_end(stage)
    if at_fault.process.poll() is not None:
        stage.start(2)
        stage.told.append(f"the worker had ended ({_how(at_fault.process.returncode)}) and was started again")


def _may_end(stage: Stage) -> None:
    """A worker whose row is closed is on its way out, and takes no more jobs."""
    worker = stage.workers[-1]
    live = "SELECT count(*) FROM workers WHERE pid = ? AND ended_at IS NULL"
    if not stage.home.sql(live, worker.pid)[0][0]:
        worker.process.wait(20)


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _drain(stage: Stage) -> None:
    eventually(lambda: promises.all_ended(stage), DRAINED, lambda: f"not drained: {_unfinished(stage)}")


def _unfinished(stage: Stage) -> list[tuple[str, str]]:
    return [(job.job_id, job.status) for job in stage.client.list() if not job.status.is_terminal]


def _tell(stage: Stage) -> None:
    for role in ("target", "near"):
        if role in stage.jobs:
            job = stage.client.get(stage.jobs[role])
            name = "the job" if role == "target" else "its neighbour in the same worker"
            stage.told.insert(0 if role == "target" else 1, f"{name} {job.status} ({job.reason})")
