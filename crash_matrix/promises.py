"""What is promised, looked at from outside: tables, events, processes, files. Every check raises AssertionError."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

from support.machine.audit import Audit
from support.patience import eventually
from support.processes import descendants, describe

from agentsd.workers.process import MARKER
from crash_matrix.points import Actor, Progress
from crash_matrix.stage import Process, Stage

_STATES = "SELECT job_id, status FROM async_jobs"
WITHIN = 2.0
"""Seconds in which one death leaves nothing behind."""


def nothing_outlives(stage: Stage) -> None:
    """``kill -9`` of one process: nothing of its jobs is left after two seconds, with no restart."""
    at = stage.cell.point
    # A job whose process was never the struck one's goes on.
    if at.actor is Actor.JOB and at.progress in (Progress.QUEUED, Progress.AHEAD, Progress.CLAIMED):
        return
    roles = ("target",) if at.actor is Actor.JOB else ("target", "near")
    known = stage.processes()
    doomed = [each for role in roles if role in stage.jobs for each in known.get(stage.jobs[role], [])]
    eventually(
        lambda: not any(each.lives() for each in doomed), WITHIN, lambda: f"left over: {_living(doomed)}"
    )


def all_ended(stage: Stage, only: str | None = None) -> bool:
    """Whether every job (or that one) has ended. What has ended has no process left, or it is an AssertionError."""
    found = stage.client.db.read(_STATES)
    known = stage.processes()  # afterwards: then a job that has ended has told all that it started
    for job_id, status in found:
        if status in ("succeeded", "failed", "cancelled"):
            left = _living(known.get(job_id, []))
            assert not left, f"job {job_id} is {status} and processes of it live: {left}"
    wanted = [status for job_id, status in found if only in (None, job_id)]
    return not {"queued", "running"}.intersection(wanted)


def _living(processes: list[Process]) -> list[int]:
    return [each.pid for each in processes if each.lives()]


def effects_are_right(stage: Stage) -> None:
    """Each row's handler has begun at most once, exactly once if it succeeded."""
    lines = stage.effects.read_text().split() if stage.effects.exists() else []
    count = Counter(lines)
    for job in stage.client.list():
        if job.phase != "work":
            continue
        times = count.pop(job.job_id, 0)
        least = 1 if job.status == "succeeded" else 0
        most = 0 if job.started_at is None else 1
        assert least <= times <= most, (
            f"the handler of job {job.job_id} ({job.status}) has begun {times} times"
        )
    assert not count, f"a handler ran for rows that do not exist: {count}"


def tables_are_right(stage: Stage) -> None:
    """Moves, events, owners, attempts; nothing that was acknowledged is lost; the file is sound."""
    audit = Audit(stage.client.db, max_attempts=1, acknowledged=stage.acknowledged)
    audit.look()
    assert [("ok",)] == stage.home.sql("PRAGMA integrity_check")
    assert [] == stage.home.sql("PRAGMA foreign_key_check")
    assert [] == stage.home.sql("SELECT job_id FROM async_jobs WHERE status IN ('queued', 'running')")
    assert [] == stage.home.sql("SELECT worker_id FROM workers WHERE ended_at IS NULL"), (
        "a worker's row stays open"
    )


def nothing_runs(stage: Stage) -> None:
    """No process of this store is left: neither below this one, nor anywhere with a marker of it."""
    eventually(lambda: not descendants(), 5, lambda: f"left over:\n{describe(descendants())}")
    marked = [
        pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_of(pid, stage.home.root)
    ]
    assert not marked, f"processes with the marker are left: {marked}"


def _is_of(pid: int, root: Path) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return MARKER.encode() + b"=" in environment and f"{root}/".encode() in environment


def late_ends_are_told(stage: Stage) -> None:
    """A supervisor that wakes up after others have ended its jobs drops what it has, and the history says so.

    The row alone would not show a missing fence: the database's own triggers hold it, too.
    """
    told = dict[str, list[str]]()
    for job_id, detail in stage.home.sql(
        "SELECT job_id, detail FROM job_events WHERE from_status IS to_status"
    ):
        told.setdefault(job_id, []).append(json.loads(detail or "{}").get("dropped", ""))
    for role in ("target", "near"):
        job_id = stage.jobs[role]
        assert told.get(job_id, []).count("late result") == 1, (
            f"the late end of the {role} job is not told once: {told.get(job_id)}"
        )


def endings_are_right(stage: Stage, expected: dict[str, set[str]]) -> None:
    """The jobs ended as the table of expectations says."""
    for role, allowed in expected.items():
        if role not in stage.jobs:
            continue
        job = stage.client.get(stage.jobs[role])
        assert str(job.reason) in allowed, (
            f"the {role} job ended {job.status}/{job.reason} ({job.error}), not {allowed}"
        )
