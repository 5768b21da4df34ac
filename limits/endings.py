"""How soon a job ends that is to end: from the request, committed, to the last of its processes gone."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import orjson
from support.patience import eventually

from agentsd import Client
from agentsd.model import AsyncJob, AsyncJobStatus
from agentsd.store import cancel, workers
from agentsd.supervisor.wakeup import poke
from limits.figure import Figure
from limits.surroundings import fresh_home, supervisor, wait_gone

GRACE = 0.3
"""Seconds that jobs get which do not obey."""
KINDS: dict[str, tuple[str, object]] = {
    "obeys TERM": ("cooperative", {}),
    "its child ignores TERM, its grandchild setsid": ("tree", {"only": "setsid"}),
    "its daemon ignores TERM": ("tree", {"only": "daemon"}),
    "all of these at once": ("tree", {}),
    "ignores TERM": ("ignore-term", None),
}


def cancels(count: int) -> list[Figure]:
    """By kind of job; for those that ignore TERM what is over the grace."""
    return [cancel_one_kind(kind, count) for kind in KINDS]


def cancel_one_kind(kind: str, count: int) -> Figure:
    """*count* cancels of one of :data:`KINDS`."""
    phase, payload = KINDS[kind]
    over = GRACE if kind == "ignores TERM" else 0.0
    with (
        fresh_home() as home,
        supervisor(home, cancel_grace=GRACE, preload="agentsd_test_phases.plain,agentsd_test_phases.trees"),
        home.connect() as client,
    ):
        spent = [1000 * (_cancelled(client, phase, payload) - over) for _ in range(count)]
    floor, aim = (20.0, 5.0) if kind == "obeys TERM" else (None, None)
    name = f"cancel to tree gone: {kind}{', over the grace' if over else ''}"
    return Figure(name=name, unit="ms", ours=spent, floor=floor, aim=aim)


def _cancelled(client: Client, phase: str, payload: object) -> float:
    """Seconds from the commit of a cancel to the end of all processes of a job."""
    job = _begun(client, phase, payload)
    told: dict[str, dict[str, int]] = orjson.loads(job.progress or "{}") or {}
    pids = [job.pid or 0, *told.get("pids", {}).values()]
    owner = workers.get(client.db, job.worker_id or "")
    with client.db.write() as tx:
        cancel.request_cancel(tx, job.job_id)
    begun = time.monotonic()
    poke(owner.socket_path if owner else None)
    ended = wait_gone(pids)
    client.wait(job.job_id, timeout=30)
    return ended - begun


def _begun(client: Client, phase: str, payload: object, timeout: float | None = None) -> AsyncJob:
    job_id = client.enqueue(phase, payload=payload, timeout=timeout).job_id

    def look() -> AsyncJob | None:
        job = client.get(job_id)
        return job if job.started_at and (phase != "tree" or job.progress) else None

    job = eventually(look, 30, f"{phase} runs")
    time.sleep(0.05)  # the handler is past its first lines: what ignores TERM does so by now
    return job


def timeouts(count: int) -> Figure:
    """A job stuck in native code that ignores TERM: how much later than its timeout and the grace it is gone."""
    spent: list[float] = []
    limit = 0.5
    with fresh_home() as home, supervisor(home, cancel_grace=GRACE), home.connect() as client:
        for _ in range(count):
            job = _begun(client, "hang-native", None, timeout=limit)
            wait_gone([job.pid or 0])
            lasted = (datetime.now(UTC) - datetime.fromisoformat(job.started_at or "")).total_seconds()
            spent.append(1000 * (lasted - limit - GRACE))
            assert client.wait(job.job_id, timeout=30).status is AsyncJobStatus.FAILED
    return Figure(
        name="timeout in native code, over timeout and grace",
        unit="ms",
        ours=spent,
        floor=200.0,
        aim=50.0,
    )
