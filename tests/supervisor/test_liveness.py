"""Who lives and who is dead, with real supervisors: healthy jobs are never reaped, dead ones always."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.home import Home
from support.patience import PATIENCE, eventually
from support.processes import is_alive
from support.rows import worker_row
from support.secluded import OWN_CLOCK, OWN_PIDS, SecludedSupervisor, may_unshare
from support.supervisor import Supervisor
from support.wall_clock import WallClock

from agentsd import Client
from agentsd.faults import VARIABLE
from agentsd.model import AsyncJob, AsyncJobStatus, Reason, Worker
from agentsd.store import claims, workers
from agentsd.workers.identity import Identity

Start = Callable[..., Supervisor]
Begin = Callable[..., AsyncJob]
TTL = 2.0
"""Seconds of silence after which a supervisor is dead."""


@pytest.fixture(autouse=True)
def short_ttl(home: Home) -> None:
    """Every supervisor of these tests has it."""
    home.set("async.job_ttl", TTL)


@pytest.fixture
def seclude(home: Home) -> Iterator[Callable[..., SecludedSupervisor]]:
    """Starts a supervisor in namespaces of its own; ends it."""
    started: list[SecludedSupervisor] = []

    def start_one(namespaces: tuple[str, ...]) -> SecludedSupervisor:
        may_unshare(*namespaces)
        started.append(SecludedSupervisor(home, namespaces))
        started[-1].start()
        return started[-1]

    yield start_one
    for supervisor in started:
        supervisor.end()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """What a job of the phase ``gate`` waits for."""
    return tmp_path / "gate"


def passed(seconds: float) -> Callable[[], bool]:
    """Whether so much awake time is over: for what is to *not* happen in it."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until


def end_of(client: Client, job: AsyncJob, seconds: float = 30) -> AsyncJob:
    """The job as it ended, its successors aside."""
    return eventually(
        lambda: found if (found := client.get(job.job_id)).status.is_terminal else None,
        seconds,
        lambda: f"the end of {client.get(job.job_id)}",
    )


def still_runs(client: Client, job: AsyncJob, seconds: float) -> None:
    """Nobody touches the job for so long."""
    is_over = passed(seconds)

    def look() -> bool:
        found = client.get(job.job_id)
        assert found.status is AsyncJobStatus.RUNNING, client.events(job.job_id)
        return is_over()

    eventually(look, seconds + 30, "time goes by")


def passes(client: Client, job: AsyncJob, gate: Path) -> None:
    """Open the gate; the job ends by itself, and has run once."""
    gate.touch()
    assert end_of(client, job).reason is Reason.COMPLETED
    assert claims_of(client, job) == 1


def claims_of(client: Client, job: AsyncJob) -> int:
    """How often it was claimed."""
    return sum(
        event.to_status == "running" and event.from_status == "queued" for event in client.events(job.job_id)
    )


# -- clocks ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("hours", [1, -1])
def test_a_wall_clock_that_jumps_ends_nothing_healthy(
    home: Home, client: Client, begin: Begin, start: Start, gate: Path, hours: int
) -> None:
    """No job, no time limit and no supervisor hears of it; who is silent is still found."""
    clock = WallClock(home)
    first = start(
        cancel_grace="200 ms", job_ttl=4 * TTL
    )  # so that it beats less often than the other one looks
    job = begin("gate", {"gate": str(gate)}, timeout=600)
    start(job_ttl=TTL)
    for jump in range(1, 9):
        clock.jump(3600 * hours * jump)
        still_runs(client, job, TTL / 8)
    short = begin("hang-native", timeout=1)

    assert end_of(client, short).reason is Reason.TIMEOUT
    still_runs(client, job, 2 * TTL)
    assert len(client.live_workers()) == 2
    skewed = (client.get(short.job_id).finished_at or "") > (client.get(job.job_id).started_at or "")
    assert skewed is (hours > 0), "the clock has really jumped"

    first.freeze()
    assert end_of(client, job).reason is Reason.STUCK


@pytest.mark.slow
def test_who_wakes_up_first_after_a_suspend_reaps_nobody(
    client: Client, begin: Begin, start: Start, gate: Path
) -> None:
    """Everything is stopped for longer than the TTL; the reaper goes on before those whom it observes."""
    first = start()
    job = begin("gate", {"gate": str(gate)})
    reaper = start()
    theirs = [first.pid, first.spawner_pid, job.pid or 0]
    its = [reaper.pid, reaper.spawner_pid]
    for _ in range(3):
        for pid in (*theirs, *its):
            os.kill(pid, signal.SIGSTOP)
        eventually(passed(1.5 * TTL), 60, "a suspend")
        beat = reaper.row.beat
        for pid in its:
            os.kill(pid, signal.SIGCONT)
        eventually(lambda beat=beat: reaper.row.beat > beat, 20, "the reaper is awake")
        for pid in theirs:
            os.kill(pid, signal.SIGCONT)
        still_runs(client, job, TTL / 2)

    passes(client, job, gate)
    assert first.process.poll() is None


def test_a_job_that_was_stopped_goes_on_where_it_was(
    client: Client, begin: Begin, start: Start, gate: Path, tmp_path: Path
) -> None:
    """It is stopped while it waits for its token, and continued when that wait is over: nobody cancelled it."""
    start()
    job = begin("gate", {"gate": str(gate), "entered": str(tmp_path / "entered")})
    eventually((tmp_path / "entered").exists, 20, "it waits")
    for _ in range(5):
        os.kill(job.pid or 0, signal.SIGSTOP)
        eventually(passed(0.05), 20, "a wait of the job is over")
        os.kill(job.pid or 0, signal.SIGCONT)
        still_runs(client, job, 0.05)

    passes(client, job, gate)


def test_who_was_declared_lost_is_in_nobodys_way(
    home: Home, client: Client, start: Start, tmp_path: Path
) -> None:
    """It goes on and is stopped again, in the transaction in which it would notice: nobody could ever write."""
    token = tmp_path / "token"
    home.environ[VARIABLE] = f"beat.write=stop:{token}"
    lost = start()
    del home.environ[VARIABLE]
    start()
    lost.freeze()
    eventually(lambda: len(client.live_workers()) == 1, 20, "it is declared lost")
    token.touch()
    lost.thaw()

    assert lost.process.wait(20 * PATIENCE) == -signal.SIGKILL
    assert end_of(client, client.enqueue("noop")).reason is Reason.COMPLETED


@pytest.mark.slow
def test_a_held_interpreter_is_no_silence(client: Client, begin: Begin, start: Start) -> None:
    """Native code that lets no Python run for longer than the TTL: the supervisor beats for its job."""
    start(cancel_grace="200 ms")
    job = begin("hang-native")
    start()
    still_runs(client, job, 2 * TTL)

    client.cancel(job.job_id)
    assert end_of(client, job).reason is Reason.CANCELLED


# -- stopped for too long -------------------------------------------------------------------------------


@pytest.mark.slow
def test_who_was_stopped_past_the_ttl_gives_way(
    home: Home, client: Client, begin: Begin, start: Start
) -> None:
    """Its job and all below it are ended, the next attempt runs elsewhere, and it ends itself when it goes on."""
    home.set("async.max_attempts", 2)
    first = start()
    job = begin("tree", {"then": "stubborn"}, progress=True)
    start()
    first.freeze()

    assert end_of(client, job).reason is Reason.STUCK
    assert not is_alive(job.pid or 0)
    following = eventually(
        lambda: [found for found in client.list() if found.retry_of == job.job_id], 20, "a successor"
    )[0]
    eventually(lambda: client.get(following.job_id).pid, 20, "it runs elsewhere")
    first.thaw()
    assert first.process.wait(20 * PATIENCE) == 1, first.said
    assert client.get(following.job_id).status is AsyncJobStatus.RUNNING
    assert [1, 1] == [claims_of(client, found) for found in (job, following)]
    client.cancel(following.job_id)
    end_of(client, following)


# -- nobody, or only some, can write --------------------------------------------------------------------


@pytest.mark.slow
def test_while_nobody_can_write_nobody_is_silent(
    home: Home, client: Client, begin: Begin, start: Start, gate: Path
) -> None:
    """A writer that is stopped for several TTLs makes no supervisor take another one for dead."""
    first = start()
    job = begin("gate", {"gate": str(gate)})
    second = start()
    with (home.state.root / "agents.db.lock").open("ab") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        still_runs(client, job, 2.5 * TTL)
        assert is_alive(job.pid or 0)
    still_runs(client, job, TTL)

    passes(client, job, gate)
    assert [first.process.poll(), second.process.poll()] == [None, None]


def limit_files(supervisor: Supervisor, size: int = 16_384) -> None:
    """Let it write no file beyond *size* bytes, more than it says and less than the log: to it, the disk is full."""
    resource.prlimit(supervisor.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.slow
def test_a_disk_that_is_full_for_all_ends_nothing(
    client: Client, begin: Begin, start: Start, gate: Path
) -> None:
    """Nobody can beat: nobody is dead."""
    both = [start()]
    job = begin("gate", {"gate": str(gate)})
    both.append(start())
    for supervisor in both:
        limit_files(supervisor)
    still_runs(client, job, 2.5 * TTL)
    for supervisor in both:
        assert "cannot be written" in supervisor.said
        limit_files(supervisor, resource.RLIM_INFINITY)

    passes(client, job, gate)
    assert [supervisor.process.poll() for supervisor in both] == [None, None]


@pytest.mark.slow
def test_who_cannot_write_while_others_can_ends_itself(client: Client, begin: Begin, start: Start) -> None:
    """After a TTL: its jobs first, exit code 1; others write how they ended."""
    first = start()
    job = begin("tree", {"then": "stubborn"}, progress=True)
    start()
    limit_files(first)

    assert first.process.wait(20 * PATIENCE) == 1, first.said
    assert not is_alive(job.pid or 0)
    assert end_of(client, job).reason in (Reason.WORKER_LOST, Reason.STUCK)


# -- identity -------------------------------------------------------------------------------------------


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any worker."""
    with subprocess.Popen(("sleep", "600")) as process:
        yield process
        process.kill()


def left_running(client: Client, owner: Worker, pid: int, start: int) -> AsyncJob:
    """A job that *owner* runs, by its row, in the process (*pid*, *start*)."""
    job = client.enqueue("noop")
    with client.db.write() as tx:
        workers.register(tx, owner)
        (claimed,) = claims.claim(tx, owner.worker_id, 1)
        claims.mark_started(tx, claimed, owner.worker_id, pid, start)
    return client.get(job.job_id)


@pytest.mark.parametrize("what", ["the pid is another's", "another boot"])
def test_who_has_the_pid_of_a_dead_worker_is_left_alone(
    client: Client, start: Start, innocent: subprocess.Popen[bytes], what: str
) -> None:
    """The row is ended at once; the process that has the numbers now lives on."""
    mine = Identity.current()
    gone = replace(mine, pid=innocent.pid, start=1)
    if what == "another boot":
        gone = replace(gone, boot_id="00000000-0000-0000-0000-000000000000")
    job = left_running(client, worker_row(gone), innocent.pid, 1)
    start()

    assert end_of(client, job).reason is Reason.WORKER_LOST
    assert innocent.poll() is None


_PIDS_THAT_COME_AGAIN = """
import os, subprocess
from support.home import Home
from support.patience import eventually
from support.supervisor import Supervisor

def occupy(pid):
    # Whatever is forked next gets the number after this one; another fork may be faster.
    while True:
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(pid - 1))
        process = subprocess.Popen(["sleep", "600"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()

home = Home()
try:
    first = Supervisor(home).start()
    with home.connect() as client:
        job = client.enqueue("cooperative", payload={})
        job = eventually(lambda: found if (found := client.get(job.job_id)).started_at else None, 20, "it runs")
        pids = [first.pid, first.spawner_pid, job.pid]
        first.kill_with_spawner()
        for orphan in pids[1:]:
            try:
                os.waitpid(orphan, 0)
            except ChildProcessError:
                pass
        innocent = [occupy(pid) for pid in pids]
        Supervisor(home).start()
        ended = client.wait(job.job_id, timeout=30)
        print(ended.reason, [process.poll() for process in innocent])
finally:
    home.remove()
"""


@pytest.mark.slow
def test_pids_that_really_come_again() -> None:
    """Supervisor, spawner and job are killed, and others get their very numbers: those live on."""
    may_unshare(*OWN_PIDS)
    ended = subprocess.run(
        ("unshare", *OWN_PIDS, "--fork", "--kill-child", sys.executable, "-c", _PIDS_THAT_COME_AGAIN),
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=90 * PATIENCE,
        check=False,
    )

    assert ended.stdout == "worker_lost [None, None, None]\n", ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("namespaces", [OWN_PIDS, OWN_CLOCK], ids=["pids", "clock"])
def test_a_worker_in_a_container_is_judged_by_its_beat(
    client: Client,
    begin: Begin,
    start: Start,
    seclude: Callable[..., SecludedSupervisor],
    gate: Path,
    namespaces: tuple[str, ...],
) -> None:
    """Its pid or start time says nothing out here: healthy it is left alone, silent it is reaped, unverified."""
    secluded = seclude(namespaces)
    job = begin("gate", {"gate": str(gate)})
    leader = eventually(secluded.job_processes_outside, 10, "its process is seen from outside")[0]
    start()
    still_runs(client, job, 3 * TTL)
    assert is_alive(leader.pid)

    secluded.freeze()
    ended = end_of(client, job, 20 * TTL)
    assert ended.reason is Reason.STUCK
    assert client.events(job.job_id)[-1].detail["verified"] == "unverified"
    secluded.thaw()
    assert secluded.process.wait(20 * PATIENCE) == 1, secluded.said
    assert not is_alive(leader.pid)
