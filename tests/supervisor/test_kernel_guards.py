"""What the kernel is asked for: each of these has one test that fails when it is not asked any more."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import psutil
from support.patience import eventually
from support.processes import is_alive
from support.rows import WORKER_ID, worker_row
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.model import AsyncJob, Reason
from agentsd.store import claims, jobs, workers
from agentsd.store.jobs import NewJob
from agentsd.supervisor import remnants
from agentsd.supervisor.orders import OrderBook
from agentsd.supervisor.spawner import SpawnerProcess
from agentsd.workers.frames import FrameReader, Kind
from agentsd.workers.identity import Identity

Start = Callable[..., Supervisor]
Begin = Callable[..., AsyncJob]


def waiting(
    begin: Begin, tmp_path: Path, *, payload: Mapping[str, str] = MappingProxyType({}), **options: object
) -> tuple[AsyncJob, int]:
    """A job that waits at a gate which nobody opens, and its process."""
    job = begin("gate", {"gate": str(tmp_path / "never"), **payload}, **options)
    assert job.pid is not None
    return job, job.pid


def test_both_killed_at_once_leave_no_job_process(begin: Begin, start: Start, tmp_path: Path) -> None:
    """Nobody is left to end it, so the kernel does, with no next start."""
    supervisor = start()
    _, pid = waiting(begin, tmp_path)
    supervisor.kill_with_spawner()

    eventually(lambda: not is_alive(pid), 2, "the job process is gone")


def test_a_job_leads_a_session_of_its_own(begin: Begin, start: Start, tmp_path: Path) -> None:
    """What a terminal sends to its foreground never reaches it."""
    start()
    entered = tmp_path / "entered"
    _, pid = waiting(begin, tmp_path, payload={"entered": str(entered)})
    eventually(entered.exists, 10, "the handler has begun")  # its row names a process from the fork on

    assert pid == os.getsid(pid)


def test_a_living_job_keeps_its_daemons(client: Client, begin: Begin, start: Start) -> None:
    """Another job ends, and what that left is swept: the daemon of a living one is no orphan."""
    start()
    job = begin("tree", {"then": "hold"}, progress=True)
    client.wait(client.enqueue("tree", payload={"then": "return"}).job_id, timeout=20)
    below = psutil.Process(job.pid).children(recursive=True)

    assert 3 == len(below)
    client.cancel(job.job_id)
    client.wait(job.job_id, timeout=20)


def test_the_kernel_ends_a_job_whose_spawner_is_stopped(
    client: Client, begin: Begin, start: Start, tmp_path: Path
) -> None:
    """At its deadline, with a margin; its end says so when the spawner goes on."""
    supervisor = start(cancel_grace="0.2 s")
    job, pid = waiting(begin, tmp_path, timeout=0.5)
    spawner = supervisor.spawner_pid
    os.kill(spawner, signal.SIGSTOP)
    eventually(lambda: not is_alive(pid), 9, "the job process is gone")
    os.kill(spawner, signal.SIGCONT)

    assert Reason.TIMEOUT == client.wait(job.job_id, timeout=20).reason


def test_a_stopped_job_hears_term_at_once(client: Client, begin: Begin, start: Start, tmp_path: Path) -> None:
    """CONT comes with it: the job ends by itself, long before the KILL."""
    start(cancel_grace="20 s")
    job, pid = waiting(begin, tmp_path)
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, 5, "the job is stopped")
    client.cancel(job.job_id)

    assert Reason.CANCELLED == client.wait(job.job_id, timeout=15).reason
    ladder = client.events(job.job_id)[-1].detail["ladder"]
    assert ["TERM"] == [stage["stage"] for stage in ladder]


def test_a_signal_that_comes_with_the_fork_is_not_lost(client: Client) -> None:
    """Neither swallowed by what a child inherits nor deadly before there is a token: it is heard after go."""
    queued = jobs.enqueue(client.db, NewJob(phase="sleep", data={"seconds": 600}))
    with client.db.write() as tx:
        workers.register(tx, worker_row(Identity.current()))
        (job,) = claims.claim(tx, WORKER_ID, 1)
    book = OrderBook(client.db, client.settings)
    running = book.prepare(job)
    spawner = SpawnerProcess(WORKER_ID, ())
    client.state.logs.mkdir()
    spawner.want(1)
    spawner.link.flush()
    (ready,) = eventually(spawner.hear, 10, "a process waits")
    spawner.lead(book.order(running), ready["pid"], time.monotonic())
    spawner.end(job.job_id, "cancelled", 20.0)
    spawner.link.flush()
    status = Path(f"/proc/{ready['pid']}/status")
    eventually(lambda: pending_term(status.read_text()), 10, "the signal waits")
    with ready["channel"] as channel:
        channel.send(book.order(running).to_bytes(running.order_body))
        channel.settimeout(20)
        (frame,) = FrameReader().feed(channel.recv(1 << 16))
    spawner.finish()

    assert (queued.job_id, Kind.CANCELLED) == (job.job_id, frame[0])


def pending_term(status: str) -> bool:
    """Whether a SIGTERM waits for a process to let it in, as its ``/proc/PID/status`` says."""
    masks = [
        int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd:", "ShdPnd:"))
    ]
    return any(mask >> (signal.SIGTERM - 1) & 1 for mask in masks)


def test_who_lives_in_another_pid_namespace_is_not_provably_dead() -> None:
    """Its pid means nothing here: only its beat tells, and its processes cannot be ended from here."""
    elsewhere = worker_row(replace(Identity.current(), pid_namespace="pid:[1]", start=0))

    assert not remnants.is_provably_dead(elsewhere)
    assert not remnants.is_reachable(elsewhere)
