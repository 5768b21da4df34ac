"""Processes stand by for the next jobs: they are used, replaced when they are lost, and never left behind."""

from __future__ import annotations

import ctypes
import os
import signal
from collections import deque
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.home import Home
from support.patience import eventually
from support.processes import is_alive
from support.supervisor import STANDBYS, Supervisor

from agentsd import Client
from agentsd.faults import VARIABLE
from agentsd.model import AsyncJob, Reason
from agentsd.workers.title import standing_by

PTRACE_SEIZE = 0x4206
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


@pytest.mark.parametrize("standbys", [0, 1], ids=["forked for it", "stood by"])
def test_the_end_of_a_neighbour_ends_nobody(
    client: Client, begin: Begin, start: Start, tmp_path: Path, standbys: int
) -> None:
    """What is swept then are children that nobody knows: neither jobs nor what stands by."""
    worker = start(standbys=standbys)
    eventually(lambda: len(standing_by(worker.spawner_pid)) == standbys, 10, "as many stand by")
    job = begin("gate", {"gate": str(tmp_path / "gate")})
    waiting = standing_by(worker.spawner_pid)
    assert client.wait(client.enqueue("noop").job_id, timeout=20).reason is Reason.COMPLETED
    (tmp_path / "gate").touch()

    assert client.wait(job.job_id, timeout=20).reason is Reason.COMPLETED
    assert all(map(is_alive, waiting - {ended.pid for ended in client.list()}))


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGTSTP])
def test_what_was_sent_before_there_was_a_job_is_not_for_it(
    client: Client, worker: Supervisor, number: signal.Signals
) -> None:
    """Signals are blocked there, and would be heard by the next job."""
    standbys = all_of(worker)
    for pid in standbys:
        os.kill(pid, number)
    ends = [client.wait(client.enqueue("noop").job_id, timeout=20) for _ in standbys]

    assert {ended.reason for ended in ends} == {Reason.COMPLETED}
    assert standbys & {ended.pid for ended in ends}


@pytest.mark.parametrize("standbys", [0, 2], ids=["forked for it", "stood by"])
def test_a_process_that_is_killed_before_it_begins_costs_no_attempt(
    client: Client, home: Home, start: Start, standbys: int
) -> None:
    """Perhaps it was killed before it was the job's; its handler has not begun."""
    token = home.root / "token"
    home.environ[VARIABLE] = f"child.output=kill:{token}"
    worker = start(standbys=standbys)
    eventually(lambda: len(standing_by(worker.spawner_pid)) == standbys, 10, "as many stand by")
    token.touch()
    ended = client.wait(client.enqueue("noop").job_id, timeout=20)

    assert (ended.reason, ended.attempt) == (Reason.COMPLETED, 1)
    assert "ended before it could begin (SIGKILL)" in worker.said


def test_as_many_as_may_be_are_told_from_orphans(client: Client, begin: Begin, start: Start) -> None:
    """Their pids stand in a title; a forced cancel past a stopped worker waits for none of them."""
    worker = start("--max-workers", "64", standbys=64)
    eventually(lambda: len(standing_by(worker.spawner_pid)) == 64, 20, "all stand by")
    job = begin("tree", {"then": "hold"}, progress=True)
    worker.freeze()
    cancelled = client.cancel(job.job_id, force=True)
    worker.thaw()

    assert cancelled.job.reason is Reason.CANCELLED


def test_forks_that_die_at_once_do_not_run_hot(client: Client, home: Home, start: Start) -> None:
    """A few are tried, until the first death is seen; then no more before the next try at a job."""
    home.environ[VARIABLE] = "child.begin=error"
    worker = start(standbys=64)
    client.enqueue("noop")
    eventually(
        lambda: worker.said.count("which waited for a job, has ended") >= 4,
        20,
        "they are forked again, with longer and longer pauses",
    )
    counts = deque[int](maxlen=20)

    def rests() -> bool:
        counts.append(worker.said.count("this fault was asked for"))
        return len(counts) == counts.maxlen and len(set(counts)) == 1

    eventually(rests, 10, "nothing is forked in a pause")


def test_one_that_a_debugger_holds_keeps_no_job_from_its_end(client: Client, worker: Supervisor) -> None:
    """Dead, it cannot be reaped: it is nobody's orphan."""
    traced = sorted(all_of(worker))
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    for pid in traced:
        assert ptrace(PTRACE_SEIZE, pid, 0, 0) == 0, os.strerror(ctypes.get_errno())
        os.kill(pid, signal.SIGKILL)
    ends = [client.wait(client.enqueue("noop").job_id, timeout=20) for _ in range(3)]
    assert {ended.reason for ended in ends} == {Reason.COMPLETED}
    for pid in traced:  # the tracer takes it first
        os.waitpid(pid, 0)


def test_a_large_payload_waits_for_nobody(client: Client, start: Start) -> None:
    """Its process is stopped, and takes in nothing: other jobs begin and end meanwhile, and it gets all of it later."""
    worker = start(standbys=1)
    (pid,) = eventually(lambda: standing_by(worker.spawner_pid), 10, "one stands by")
    os.kill(pid, signal.SIGSTOP)
    large = "x" * 8_000_000
    job = client.enqueue("echo", payload=large)
    stopped = eventually(lambda: client.get(job.job_id).pid, 10, "it has a process")
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


def test_a_worker_with_children_of_others_reaps_them(home: Home, client: Client) -> None:
    """Exec'ed by a shell that has one: after a spawner's death only what is marked is killed, and a zombie has no mark."""
    worker = Supervisor(home)
    worker.prefix = ("sh", "-c", 'sleep 600 & exec "$@"', "sh")
    worker.start()
    try:
        before = all_of(worker)
        os.kill(worker.spawner_pid, signal.SIGKILL)
        all_of(worker, without=before)
        eventually(lambda: not any(map(psutil.pid_exists, before)), 10, "they are reaped")
    finally:
        below = psutil.Process(worker.pid).children()
        worker.end()
        for process in below:
            if process.is_running() and process.name() == "sleep":
                process.kill()


@pytest.mark.parametrize("victim", ["supervisor", "spawner"])
def test_none_outlives_its_worker(client: Client, worker: Supervisor, victim: str) -> None:
    """Whoever is killed, those that stood by are gone; after a spawner's death new ones stand by."""
    before = all_of(worker)
    os.kill(worker.pid if victim == "supervisor" else worker.spawner_pid, signal.SIGKILL)
    eventually(lambda: not any(map(is_alive, before)), 10, "they are gone")
    if victim == "spawner":
        all_of(worker, without=before)
        assert client.wait(client.enqueue("noop").job_id, timeout=20).reason is Reason.COMPLETED


def test_a_matched_process_is_kept_while_the_store_cannot_be_written(
    client: Client, home: Home, start: Start
) -> None:
    """Its job waits for nobody any more, but needs it all the same."""
    token = home.root / "token"
    token.touch()
    home.environ[VARIABLE] = f"child.output=kill:{token};start.store=busy@2"
    worker = start(standbys=0)
    ended = client.wait(client.enqueue("noop").job_id, timeout=20)

    assert (ended.reason, ended.attempt) == (Reason.COMPLETED, 1)
    assert "ended before it could begin (SIGKILL)" in worker.said
    assert "had ended before it had an order" not in worker.said
