"""Two that act on one job: who wakes up late, who is judged too early, who asks too late. Found by the model."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from support.home import Home
from support.machine.clocks import Clocks
from support.processes import is_alive
from support.rows import worker_row

from agentsd import Client
from agentsd.errors import ConflictError
from agentsd.model import AsyncJob, AsyncJobStatus, Reason, Worker
from agentsd.store import cancel, claims, jobs, workers
from agentsd.store.claims import Ending
from agentsd.store.jobs import NewJob
from agentsd.supervisor import takeover
from agentsd.supervisor.duties import Duties
from agentsd.supervisor.fleet import Fleet
from agentsd.supervisor.guard import SpawnerGuard
from agentsd.supervisor.ledger import Ledger, Written
from agentsd.supervisor.notices import silent
from agentsd.supervisor.orders import OrderBook
from agentsd.supervisor.reaper import Dead, bury
from agentsd.supervisor.running import ReadyProcess, RunningJob
from agentsd.supervisor.shutdown import Shutdown
from agentsd.supervisor.spawner import SpawnerProcess
from agentsd.supervisor.worker import AsyncWorker
from agentsd.workers.identity import Identity
from agentsd.workers.process import MARKER, start_ticks

SILENT = worker_row(Identity.current(), worker_id=f"01JSILENT{os.getpid()}")


@pytest.fixture
def ledger(client: Client) -> Ledger:
    """What the silent supervisor writes with; its row is live."""
    with client.db.write() as tx:
        workers.register(tx, SILENT)
    return Ledger(client.db, SILENT.worker_id, OrderBook(client.db, client.settings).prepare, beat_due=False)


def commit(ledger: Ledger, room: int = 0) -> Written:
    """One group commit, which succeeds."""
    written = ledger.commit(room=room, running=0, state="running")
    assert written is not None
    return written


def claimed(client: Client, ledger: Ledger) -> AsyncJob:
    """A job that the supervisor owns."""
    jobs.enqueue(client.db, NewJob(phase="noop"))
    (running,) = commit(ledger, room=1).claimed
    return running.job


def row(client: Client) -> Worker:
    """The supervisor's row as it is now."""
    found = workers.get(client.db, SILENT.worker_id)
    assert found is not None
    return found


def forked(job: AsyncJob, pid: int, start: int = 1) -> RunningJob:
    """The job as its supervisor sees it when it has a process."""
    running = RunningJob(job=job, order_body=b"", handler="", timeout=1.0, rerun_safe=True)
    with socket.socket() as channel:  # nothing is said over it
        running.match(ReadyProcess(pid, start, channel))
    return running


def test_who_was_declared_lost_claims_nothing_more(client: Client, ledger: Ledger) -> None:
    """Stopped for a TTL and buried, it wakes up with room for a job: nobody would end that if it died."""
    with client.db.write() as tx:
        bury(tx, Dead(SILENT, gone=False), [], max_attempts=1)
    waiting = jobs.enqueue(client.db, NewJob(phase="noop"))
    written = commit(ledger, room=1)

    assert ([], False) == (written.claimed, written.row_is_ours)
    assert AsyncJobStatus.QUEUED == client.get(waiting.job_id).status


def test_who_beats_between_judgement_and_burial_is_left_alone(client: Client, ledger: Ledger) -> None:
    """It was stopped for a TTL and goes on just now: neither it nor its job is ended."""
    job = claimed(client, ledger)
    judged, left = Dead(row(client), gone=False), claims.jobs_of(client.db, SILENT.worker_id)
    ledger.beat_due = True
    commit(ledger)
    with client.db.write() as tx:
        buried = bury(tx, judged, left, max_attempts=1)

    assert (None, None) == (buried, row(client).ended_at)
    assert AsyncJobStatus.RUNNING == client.get(job.job_id).status


@pytest.mark.parametrize("gone", [False, True])
def test_who_forks_between_judgement_and_burial_is_left_alone(
    client: Client, ledger: Ledger, gone: bool
) -> None:
    """The process that it has stored was not among those that were ended."""
    job = claimed(client, ledger)
    judged, left = Dead(row(client), gone), claims.jobs_of(client.db, SILENT.worker_id)
    ledger.starts.append(forked(job, pid=1))
    commit(ledger)
    with client.db.write() as tx:
        buried = bury(tx, judged, left, max_attempts=1)

    assert buried is None
    assert AsyncJobStatus.RUNNING == client.get(job.job_id).status


@pytest.fixture
def its_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that the supervisor's spawner has started, by the marker that it carries."""
    environ = {**os.environ, MARKER: SILENT.worker_id}
    with subprocess.Popen("cat", env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def answers(process: subprocess.Popen[bytes]) -> bool:
    """Whether it still does what it is asked: one that KILL is on its way to does not."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"there?\n")
    process.stdin.flush()
    return process.stdout.readline() == b"there?\n"


@pytest.fixture
def idle(home: Home, client: Client, ledger: Ledger) -> AsyncWorker:
    """A supervisor that runs nothing, without its loop."""
    worker = AsyncWorker(home.state, client.settings)
    worker.db, worker.ledger = client.db, ledger
    book = OrderBook(client.db, client.settings)
    worker.fleet = Fleet(book, ledger, worker.timers, worker.selector, silent, client.settings, spawner=None)
    worker.duties = Duties(worker)
    return worker


def test_who_beats_between_judgement_and_kill_is_not_killed(
    client: Client, ledger: Ledger, its_process: subprocess.Popen[bytes], idle: AsyncWorker
) -> None:
    """Stopped, it is judged; the reaper is stopped, too; it goes on with new processes, then the reaper does."""
    duties = idle.duties
    dead = judged_silent(duties, client)
    ledger.beat_due = True
    commit(ledger)
    duties._bury(dead, [])  # pyright: ignore[reportPrivateUsage] - what a timer calls

    assert answers(its_process)
    assert row(client).ended_at is None
    duties._bury(judged_silent(duties, client), [])  # pyright: ignore[reportPrivateUsage]
    assert its_process.wait(10) == -signal.SIGKILL, "who is still silent is killed"


def test_a_judgement_from_before_a_gap_buries_nobody(
    client: Client, its_process: subprocess.Popen[bytes], idle: AsyncWorker
) -> None:
    """Judged; the machine sleeps; the reaper is the first to wake up, and the other one has had no time to beat."""
    duties = idle.duties
    dead = judged_silent(duties, client)
    duties.reaper.forget()
    duties.reaper.observe([row(client)])
    duties._bury(dead, [])  # pyright: ignore[reportPrivateUsage] - what a timer calls

    assert answers(its_process)
    assert row(client).ended_at is None


def test_who_was_declared_lost_gives_up(idle: AsyncWorker) -> None:
    """Its row is closed: what it would run would be run by two."""
    idle._act_on(Written(row_is_ours=True))  # pyright: ignore[reportPrivateUsage] - what its loop calls
    assert idle.duties.broken == ""
    idle._act_on(Written(row_is_ours=False))  # pyright: ignore[reportPrivateUsage]

    assert "declared this one lost" in idle.duties.broken
    assert idle.exit_code == 1


def test_a_job_begins_when_its_spawner_has_been_told(
    idle: AsyncWorker, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link is full: one that ended at once would be taken for a process that stood by, and its end for nobody's."""
    was_told, told = list[int](), [False]
    idle.shutdown = Shutdown(idle.fleet, idle.timers, silent)
    idle.guard = cast(
        "SpawnerGuard", SimpleNamespace(given_up=False, want=was_told.append, flush=lambda: told[0])
    )
    leads = list[object]()
    idle.fleet.use(cast("SpawnerProcess", SimpleNamespace(lead=lambda *order: leads.append(order))))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(idle, "_show_title", lambda: None)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    idle.fleet.hear({"op": "ready", "pid": 1, "start": 1, "channel": ours})
    job = jobs.enqueue(client.db, NewJob(phase="noop"))
    idle._tick()  # pyright: ignore[reportPrivateUsage] - one turn of its loop
    assert (client.get(job.job_id).status, client.get(job.job_id).pid) == (AsyncJobStatus.RUNNING, 1)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    told[0] = True
    idle.look()
    idle._tick()  # pyright: ignore[reportPrivateUsage]

    assert theirs.recv(1)
    assert set(was_told) == {idle.standbys}
    theirs.close()
    idle.fleet.forget(idle.fleet.running[job.job_id])


def test_who_could_not_write_for_a_ttl_while_others_could_gives_up(
    idle: AsyncWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, before the others come to end its jobs."""
    clocks, ttl = Clocks(), idle.settings.job_ttl
    clocks.install(monkeypatch)
    idle.ledger.beaten_at = clocks.monotonic()
    duties = Duties(idle)
    for quarter in range(4):
        assert duties.broken == "", f"after {quarter} quarters of the TTL"
        clocks.pass_by(ttl / 4)
        duties._notice_own_silence(others_wrote=True)  # pyright: ignore[reportPrivateUsage] - what a timer calls

    assert "but others could" in duties.broken


def judged_silent(duties: Duties, client: Client) -> Dead:
    """What the reaper says of the supervisor when its beat has stood still for long enough."""
    now = time.monotonic()
    duties.reaper.observe([row(client)], now)
    (dead,) = duties.reaper.observe([row(client)], now + 2 * max(duties.reaper.ttl, SILENT.ttl))
    return dead


def test_the_socket_of_who_was_killed_is_removed(client: Client, ledger: Ledger, tmp_path: Path) -> None:
    """Else each kill would leave one for ever; a file by another name is not one."""
    socket, other = tmp_path / f"{SILENT.worker_id}.sock", tmp_path / "other.sock"
    for path in (socket, other):
        path.touch()
        dead = Dead(replace(row(client), socket_path=str(path)), gone=True)
        with client.db.write() as tx:
            assert bury(tx, dead, [], max_attempts=1) == []

    assert not socket.exists()
    assert other.exists()


def test_a_kept_successor_is_claimed_where_it_is_queued(client: Client, ledger: Ledger) -> None:
    """In one transaction, so that no other supervisor can take the second attempt of a foreground run."""
    job = claimed(client, ledger)
    ledger.keeps_successors = True
    following = NewJob(phase="noop", retry_of=job.job_id, attempt=2)
    ended = Ending(
        job=job, status=AsyncJobStatus.FAILED, reason=Reason.EXITED, error="gone", successor=following
    )
    ledger.endings.append((forked(job, 1), ended))
    written = commit(ledger)

    (found,) = written.claimed
    assert (found.job.attempt, found.job.status, found.pid) == (2, AsyncJobStatus.RUNNING, None)
    assert client.get(found.job.job_id).worker_id == SILENT.worker_id


def test_what_was_judged_rightly_is_buried_once(client: Client, ledger: Ledger) -> None:
    """By the first of two reapers; the second one finds nothing to end."""
    job = claimed(client, ledger)
    judged, left = Dead(row(client), gone=False), claims.jobs_of(client.db, SILENT.worker_id)
    with client.db.write() as tx:
        first = bury(tx, judged, left, max_attempts=1)
    with client.db.write() as tx:
        second = bury(tx, judged, left, max_attempts=1)

    assert ([job.job_id], []) == ([found.job_id for found in first or []], second)
    assert Reason.STUCK == client.get(job.job_id).reason


def test_a_takeover_of_who_is_not_dead_is_refused(
    client: Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row was closed, but it has just started a process."""
    job = claimed(client, ledger)

    def start_meanwhile(*_: object) -> bool:
        ledger.starts.append(forked(job, pid=1))
        commit(ledger)
        return True

    monkeypatch.setattr(takeover.remnants, "end_all", start_meanwhile)

    with pytest.raises(ConflictError, match="is not dead"):
        takeover.bury_owner(client.db, client.settings, job, row(client))


def test_what_was_asked_to_be_cancelled_is_not_tried_again(client: Client, ledger: Ledger) -> None:
    """The job died before its owner could read the cancel that was noted."""
    job = claimed(client, ledger)
    with client.db.write() as tx:
        cancel.request_cancel(tx, job.job_id)
        ending = Ending(
            job=job,
            status=AsyncJobStatus.FAILED,
            reason=Reason.SIGNALLED,
            successor=jobs.successor_of(job, attempt=2),
        )
        following = claims.finish(tx, ending, SILENT.worker_id)

    assert (None, None) == (following, jobs.successor(client.db, job.job_id))
    assert AsyncJobStatus.FAILED == client.get(job.job_id).status


# -- the last words of a supervisor -----------------------------------------------------------------


class Leaver(AsyncWorker):
    """A supervisor of which only the leaving is tried out."""

    def leave(self, client: Client, ledger: Ledger) -> None:
        """Do what is done last."""
        from agentsd.store.database import open_store  # noqa: PLC0415 - it closes its own connection

        self.worker_id, self.ledger = ledger.worker_id, ledger
        self.duties = Duties(self)
        self.db = open_store(client.state)
        self._unregister()
        self.selector.close()


def test_ends_that_are_left_are_written_with_the_last_words(client: Client, ledger: Ledger) -> None:
    """The mutex was held when it exited: the result is not lost, and the row is closed."""
    job = claimed(client, ledger)
    ledger.endings.append(
        (
            forked(job, pid=1),
            Ending(job=job, status=AsyncJobStatus.SUCCEEDED, reason=Reason.COMPLETED, result="1"),
        )
    )
    Leaver(client.state, client.settings, listener=silent).leave(client, ledger)

    assert AsyncJobStatus.SUCCEEDED == client.get(job.job_id).status
    assert "stopped" == row(client).state


def test_who_still_owns_a_job_leaves_its_row_open(client: Client, ledger: Ledger) -> None:
    """So that whoever comes next judges it, and ends that job: a closed row is judged by nobody."""
    claimed(client, ledger)
    Leaver(client.state, client.settings, listener=silent).leave(client, ledger)

    assert "running" == row(client).state


# -- force ------------------------------------------------------------------------------------------


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that carries the marker of the supervisor."""
    yield from marked_process()


@pytest.fixture
def spawner() -> Iterator[subprocess.Popen[bytes]]:
    """Another one, in place of its spawner."""
    yield from marked_process()


def marked_process() -> Iterator[subprocess.Popen[bytes]]:
    """Start one, and end it."""
    started = subprocess.Popen(["sleep", "600"], env={**os.environ, MARKER: SILENT.worker_id})
    yield started
    started.kill()
    started.wait()


def started_as(ledger: Ledger, job: AsyncJob, process: subprocess.Popen[bytes]) -> None:
    """Store *process* as the job's."""
    ledger.starts.append(forked(job, process.pid, start_ticks(process.pid) or 0))
    commit(ledger)


def test_force_looks_again_when_the_job_has_got_another_process(
    client: Client, ledger: Ledger, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner woke up between the KILL and the write: that process is ended, too."""
    job = claimed(client, ledger)
    ledger.starts.append(forked(job, pid=1))
    commit(ledger)
    real = takeover._end_orphans  # pyright: ignore[reportPrivateUsage]

    def wake_up(*_: object) -> None:
        monkeypatch.setattr(takeover, "_end_orphans", real)
        started_as(ledger, job, process)

    monkeypatch.setattr(takeover, "_end_orphans", wake_up)
    ended = takeover.force(client.db, job, row(client))

    assert AsyncJobStatus.CANCELLED == ended.status
    assert not is_alive(process.pid)


def test_force_ends_an_orphan_that_no_spawner_will_end(
    client: Client, ledger: Ledger, process: subprocess.Popen[bytes]
) -> None:
    """The spawner was killed while its supervisor was stopped: what the job left is ended before its row."""
    job = claimed(client, ledger)
    ledger.starts.append(forked(job, pid=1))
    commit(ledger)

    assert AsyncJobStatus.CANCELLED == takeover.force(client.db, job, row(client)).status
    assert not is_alive(process.pid)


def test_force_does_not_end_what_a_spawner_has_not_swept(
    client: Client,
    ledger: Ledger,
    process: subprocess.Popen[bytes],
    spawner: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that may be the job's is left by its dead leader: the row is not ended before it."""
    job = claimed(client, ledger)
    ledger.starts.append(forked(job, pid=1))
    ledger.spawner_pid = spawner.pid
    commit(ledger)
    monkeypatch.setattr(takeover, "PATIENCE", 0.1)

    with pytest.raises(ConflictError, match="may belong to the job"):
        takeover.force(client.db, job, row(client))
    assert is_alive(process.pid)
    assert AsyncJobStatus.RUNNING == client.get(job.job_id).status
    process.kill()
    process.wait()
    assert AsyncJobStatus.CANCELLED == takeover.force(client.db, job, row(client)).status
    assert is_alive(spawner.pid)
