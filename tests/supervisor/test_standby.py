"""Processes stand by for the next jobs: they are used, replaced when they are lost, and never left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.patience import eventually
from support.processes import is_alive
from support.supervisor import STANDBYS, Supervisor

from agentsd import Client
from agentsd.model import AsyncJob, Reason
from agentsd.workers.title import standing_by

Start = Callable[..., Supervisor]
Begin = Callable[..., AsyncJob]


def all_of(worker: Supervisor, *, without: frozenset[int] = frozenset()) -> frozenset[int]:
    """The processes that stand by, as soon as there are as many as there should be, none of them of *without*."""

    def found() -> frozenset[int] | None:
        pids = frozenset(standing_by(worker.spawner_pid))
        return pids if len(pids) == STANDBYS and not pids & without else None

    return eventually(found, 10, "as many stand by as should")


@pytest.fixture
def worker(start: Start) -> Supervisor:
    """A worker, and all that are to stand by do."""
    started = start()
    all_of(started)
    return started


def test_a_job_gets_a_process_that_stood_by(
    client: Client, begin: Begin, worker: Supervisor, tmp_path: Path
) -> None:
    """Another one takes its place, and none of them is more than a sleeping process."""
    before = all_of(worker)
    job = begin("gate", {"gate": str(tmp_path / "gate")})
    assert job.pid in before
    after = all_of(worker, without=frozenset({job.pid}))

    def idle(pid: int) -> bool:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_SLEEPING and process.name() == "agents standby"

    eventually(lambda: all(map(idle, after)), 10, "they sleep, under a title of their own")
    (tmp_path / "gate").touch()
    assert client.wait(job.job_id, timeout=20).reason is Reason.COMPLETED


def test_those_that_somebody_kills_cost_no_job(client: Client, worker: Supervisor) -> None:
    """No attempt either: the next job has a process forked for itself; then there are some again."""
    killed = all_of(worker)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not standing_by(worker.spawner_pid), 10, "the spawner has seen it")
    ends = [client.wait(client.enqueue("noop").job_id, timeout=20) for _ in range(3)]

    assert {(ended.reason, ended.attempt) for ended in ends} == {(Reason.COMPLETED, 1)}
    assert len(client.list()) == len(ends)
    all_of(worker, without=killed)


def test_a_large_payload_waits_for_nobody(client: Client, begin: Begin, worker: Supervisor) -> None:
    """Its process is stopped, and takes in nothing: other jobs begin and end meanwhile, and it gets all of it later."""
    for pid in all_of(worker):
        os.kill(pid, signal.SIGSTOP)
    large = "x" * 8_000_000
    job = client.enqueue("echo", payload=large)
    stopped = eventually(lambda: client.get(job.job_id).pid, 10, "it has a process")
    client.enqueue("noop")
    ends = [client.wait(client.enqueue("noop").job_id, timeout=20) for _ in range(3)]
    assert {ended.reason for ended in ends} == {Reason.COMPLETED}
    os.kill(stopped, signal.SIGCONT)

    assert client.wait(job.job_id, timeout=20).result == f'"{large}"'


def test_a_stopped_one_is_ended_with_its_job(client: Client, worker: Supervisor) -> None:
    """Its handler never began: nothing to be gentle with."""
    standbys = all_of(worker)
    for pid in standbys:
        os.kill(pid, signal.SIGSTOP)
    job = client.enqueue("noop")
    eventually(lambda: client.get(job.job_id).pid in standbys, 10, "it has a process")
    client.cancel(job.job_id)

    ended = client.wait(job.job_id, timeout=20)
    assert ended.reason is Reason.CANCELLED
    assert not is_alive(ended.pid or 0)


@pytest.mark.parametrize("victim", ["supervisor", "spawner"])
def test_none_outlives_its_worker(client: Client, worker: Supervisor, victim: str) -> None:
    """Whoever is killed, those that stood by are gone; after a spawner's death new ones stand by."""
    before = all_of(worker)
    os.kill(worker.pid if victim == "supervisor" else worker.spawner_pid, signal.SIGKILL)
    eventually(lambda: not any(map(is_alive, before)), 10, "they are gone")
    if victim == "spawner":
        all_of(worker, without=before)
        assert client.wait(client.enqueue("noop").job_id, timeout=20).reason is Reason.COMPLETED
