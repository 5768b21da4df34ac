"""Parts of the supervisor and of its spawner, each with real processes and a real store, but on its own."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.home import Home
from support.patience import eventually
from support.processes import is_alive
from support.queue import add_plan
from support.rows import WORKER_ID, worker_row

from agentsd import Client
from agentsd.clock import utc_now
from agentsd.errors import ConflictError
from agentsd.model import AsyncJob, AsyncJobStatus, Phase, Reason, Worker
from agentsd.store import claims, jobs, workers
from agentsd.store.claims import CancelRequest
from agentsd.store.jobs import NewJob
from agentsd.supervisor import remnants, takeover
from agentsd.supervisor import spawner as spawner_module
from agentsd.supervisor import wakeup as wakeup_module
from agentsd.supervisor.fleet import TRIES, Fleet
from agentsd.supervisor.ledger import Ledger
from agentsd.supervisor.notices import Notice, silent
from agentsd.supervisor.orders import OrderBook
from agentsd.supervisor.running import Stage
from agentsd.supervisor.spawner import SpawnerProcess
from agentsd.supervisor.timers import Timers
from agentsd.supervisor.wakeup import WakeupSocket, poke
from agentsd.workers import leader as leader_module
from agentsd.workers.board import Board
from agentsd.workers.frames import Kind, encode
from agentsd.workers.identity import Identity
from agentsd.workers.leader import Leader
from agentsd.workers.order import Order
from agentsd.workers.process import MARKER, kill_identified, start_ticks, state
from agentsd.workers.slot import Slot

ORDER = Order(
    job_id="J", plan_id="J", phase="apply", attempt=1, handler="", title="", timeout=60.0, grace=60.0, state_root="",
    log_dir="", log_limit=1, limits={},
)  # fmt: skip


# -- the ladder -------------------------------------------------------------------------------------


@pytest.fixture
def leader() -> Iterator[Leader]:
    """A process that ignores TERM, seen as a job process whose handler has begun."""
    script = 'trap "" TERM; echo ready; exec sleep 600'
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    board = Board()
    made = Leader(
        ORDER,
        process.pid,
        -1,
        start_ticks(process.pid) or 0,
        board,
        Slot(board.take_slot(), None),
        armed=True,
    )
    yield made
    process.kill()
    process.communicate()


def stages(leader: Leader) -> list[str]:
    """The signals of the ladder so far."""
    return [stage["stage"] for stage in leader.stages]


def test_a_job_that_was_not_begun_is_killed_at_once(leader: Leader) -> None:
    """There is nothing to be gentle with."""
    leader.armed = False
    leader.end("cancelled", 60.0)

    assert ["KILL"] == stages(leader)
    assert leader.due is None


def test_a_later_order_only_makes_it_faster(leader: Leader) -> None:
    """The first cause stays, the end of the grace comes nearer, never further away."""
    leader.arm(time.monotonic())
    leader.tick(time.monotonic())
    assert [] == stages(leader)
    leader.end("timeout", 60.0)
    leader.end("cancelled", 0.0)
    leader.end("shutdown", 60.0)
    leader.tick(time.monotonic())
    leader.arm(time.monotonic())
    leader.tick(time.monotonic())
    leader.end("shutdown", 60.0)

    assert ["TERM", "KILL"] == stages(leader)
    assert "timeout" == leader.cause == leader.board.cause(leader.slot.number)


def test_a_shield_holds_the_ladder_up(leader: Leader) -> None:
    """Not even the first signal is sent before it is down."""
    leader.board.set_shield(leader.slot.number, True)
    leader.end("cancelled", 60.0)
    leader.end("shutdown", 0.0)
    leader.arm(time.monotonic())
    leader.tick(time.monotonic() + 1)
    assert [] == stages(leader)
    leader.board.set_shield(leader.slot.number, False)
    leader.tick(time.monotonic() + 2)

    assert ["TERM"] == stages(leader)


def test_a_shield_does_not_hold_for_ever(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that never lowers it is ended after the limit."""
    monkeypatch.setattr(leader_module, "SHIELD_LIMIT", 0.0)
    leader.board.set_shield(leader.slot.number, True)
    leader.end("cancelled", 60.0)

    assert ["TERM"] == stages(leader)


# -- remnants and takeover --------------------------------------------------------------------------


def test_remnants_are_found_by_marker_and_by_identity() -> None:
    """And nothing else is touched: no process of another worker, none older than the dead one."""
    ours = subprocess.Popen(["sleep", "600"], env={**os.environ, MARKER: WORKER_ID})
    theirs = subprocess.Popen(["sleep", "600"], env={**os.environ, MARKER: "01JOTHER"})
    bare = subprocess.Popen(["sleep", "600"], env={})
    me = Identity.current()
    worker = worker_row(replace(me, pid=1, start=0))
    known = AsyncJob(
        job_id="J", plan_id="J", phase="x", status=AsyncJobStatus.RUNNING, payload_json="{}", schema_version=1,
        created_at=utc_now(), pid=bare.pid, pid_start=start_ticks(bare.pid),
    )  # fmt: skip
    recycled = replace(known, pid=theirs.pid, pid_start=1)

    assert {ours.pid, bare.pid} == set(remnants.end_round(worker, [known, recycled]))
    for process in (ours, bare):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert remnants.end_all(worker, [known, recycled], 5.0)
    assert is_alive(theirs.pid)
    for process in (ours, theirs, bare):
        process.kill()
        process.communicate()
    assert not kill_identified(ours.pid)


def test_what_does_not_end_in_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """An end that cannot be had is not claimed."""
    child = subprocess.Popen(["sleep", "600"], env={**os.environ, MARKER: WORKER_ID})

    assert not remnants.end_all(worker_row(replace(Identity.current(), start=0)), [], -1.0)
    child.communicate()


def test_nothing_survives_a_reboot() -> None:
    """A supervisor of an earlier boot of this host is dead, and so is all that it had."""
    worker = worker_row(replace(Identity.current(), boot_id="an earlier one"))

    assert remnants.is_provably_dead(worker)
    assert not remnants.is_reachable(worker)
    assert [] == remnants.end_round(worker, [])


def running_job(client: Client, worker: Worker) -> AsyncJob:
    """A job that *worker* has claimed."""
    job = jobs.enqueue(client.db, NewJob(phase="noop"))
    with client.db.write() as tx:
        workers.register(tx, worker)
        claims.claim(tx, worker.worker_id, 1)
    return client.get(job.job_id)


def test_an_owner_without_a_row_cannot_be_taken_over(client: Client) -> None:
    """It is said, and nothing is written."""
    job = running_job(client, worker_row(Identity.current()))

    with pytest.raises(ConflictError, match="has no row"):
        takeover.bury_owner(client.db, client.settings, job, None)


def test_a_takeover_that_leaves_something_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a process of the dead worker lives, its job is not called ended."""
    monkeypatch.setattr(takeover, "PATIENCE", -1.0)
    worker = worker_row(replace(Identity.current(), pid=1, start=0), worker_id=WORKER_ID)
    job = running_job(client, worker)
    child = subprocess.Popen(["sleep", "600"], env={**os.environ, MARKER: WORKER_ID})

    with pytest.raises(ConflictError, match="do not end"):
        takeover.bury_owner(client.db, client.settings, job, worker)
    child.communicate()
    assert AsyncJobStatus.RUNNING == client.get(job.job_id).status
    assert AsyncJobStatus.FAILED == takeover.bury_owner(client.db, client.settings, job, worker).status


def test_a_running_job_without_an_owner_cannot_be_cancelled(client: Client) -> None:
    """It is said instead of waited for."""
    job = running_job(client, worker_row(Identity.current()))
    client.db.connection.execute("DELETE FROM workers")

    with pytest.raises(ConflictError, match="has no row"):
        client.cancel(job.job_id)


def test_force_needs_the_job_to_be_here(client: Client) -> None:
    """Neither a job on another host nor one without a process can be killed from here."""
    here = worker_row(Identity.current())
    job = running_job(client, here)

    with pytest.raises(ConflictError, match="cannot be reached from here"):
        takeover.force(client.db, job, here)
    with client.db.write() as tx:
        claims.finish(
            tx,
            claims.Ending(job=job, status=AsyncJobStatus.SUCCEEDED, reason=Reason.COMPLETED),
            here.worker_id,
        )
    assert AsyncJobStatus.SUCCEEDED == takeover.force(client.db, job, here).status


def test_a_worker_elsewhere_cannot_be_signalled() -> None:
    """Its pid means nothing here."""
    with pytest.raises(ConflictError, match="does not run here"):
        takeover.signal_worker(worker_row(replace(Identity.current(), boot_id="elsewhere")), signal.SIGTERM)


def test_pokes_that_cannot_arrive_are_ignored(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """No path, no socket, nobody behind it: the poll is the safety net."""
    box = WakeupSocket(home.root, "W")
    poke(str(box.path))
    poke(None)
    assert box.take()
    assert not box.take()
    monkeypatch.setattr(wakeup_module, "A_TURNS_WORTH", 1)
    for _ in range(2):
        poke(str(box.path))
    assert box.take(), "one turn's worth"
    assert box.take(), "and the rest in the next"
    assert not box.take()
    box.path.unlink()
    box.close()
    poke(str(box.path))


# -- the spawner, from outside ----------------------------------------------------------------------


def test_a_spawner_that_stays_silent_is_woken_and_then_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """CONT first; one that is stopped again and again is of no use."""
    monkeypatch.setattr(spawner_module, "HUNG_AFTER", 0.05)
    spawner = SpawnerProcess("01JTEST", ())
    spawner.ping()
    spawner.link.flush()
    eventually(spawner.hear, 10, "it answers")
    os.kill(spawner.pid, signal.SIGSTOP)
    eventually(lambda: state(spawner.pid) == "T", 5, "it is stopped")
    spawner.ping()
    spawner.forgive()
    spawner.ping()

    def is_woken() -> bool:
        spawner.ping()
        return state(spawner.pid) != "T"

    def is_killed() -> bool:
        spawner.ping()
        return spawner.has_ended()

    eventually(is_woken, 5, "it is woken")
    os.kill(spawner.pid, signal.SIGSTOP)
    assert spawner.how_it_ended() == "which KILL does not end"
    eventually(is_killed, 5, "it is killed")
    assert spawner.how_it_ended() == "which did not answer and was killed"
    spawner.signal(signal.SIGKILL)
    spawner.forget()


def test_how_a_spawner_ended_is_told() -> None:
    """By its exit code, if nothing has ended it."""
    spawner = SpawnerProcess("01JTEST", ())
    spawner.finish()

    assert spawner.how_it_ended() == "exit code 0"


# -- the fleet --------------------------------------------------------------------------------------


class Recorder:
    """Stands in for the link to a spawner: keeps the orders."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def lead(self, order: Order, pid: int, _at: float) -> None:
        """Note who gets a job."""
        self.said.append(("lead", order.job_id, pid))

    def end(self, job_id: str, cause: str, _grace: float, first: signal.Signals = signal.SIGTERM) -> None:
        """Note an end."""
        self.said.append(("end", job_id, cause, first.name))


@pytest.fixture
def fleet(client: Client) -> Iterator[Fleet]:
    """A fleet with a real store and a recorder in place of the spawner."""
    with client.db.write() as tx:
        workers.register(tx, worker_row(Identity.current(), worker_id="W"))
    selector = selectors.DefaultSelector()
    book = OrderBook(client.db, client.settings)
    made = Fleet(
        book, Ledger(client.db, "W", book.prepare, beat_due=False), Timers(), selector, silent,
        client.settings, spawner=Recorder(),  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    yield made
    for running in list(made.running.values()):
        made.forget(running)
    made.use(None)
    selector.close()


def stand_by(fleet: Fleet, pid: int) -> socket.socket:
    """Tell the fleet of a process that waits for a job; returns that process's end of its channel."""
    ours, theirs = socket.socketpair()
    fleet.hear({"op": "ready", "pid": pid, "start": pid, "channel": ours})
    return theirs


def taken(fleet: Fleet, client: Client) -> AsyncJob:
    """A job that the fleet has claimed, with a process if one waits."""
    jobs.enqueue(client.db, NewJob(phase="noop"))
    written = fleet.ledger.commit(room=1, running=0, state="running")
    assert written is not None
    (running,) = written.claimed
    fleet.take(running)
    return running.job


def ends(fleet: Fleet) -> list[tuple[str, str]]:
    """The ends that are to be written."""
    return [(ending.status, ending.reason) for _, ending in fleet.ledger.endings]


def test_a_process_is_stored_with_the_claim(fleet: Fleet, client: Client) -> None:
    """Before anybody is told of the job: whoever comes after a crash finds both, or neither."""
    theirs = stand_by(fleet, 77)
    jobs.enqueue(client.db, NewJob(phase="noop"))
    written = fleet.ledger.commit(room=1, running=0, state="running")
    assert written is not None
    stored = client.get(written.claimed[0].job.job_id)
    spawner: Any = fleet.spawner

    assert (77, 77, "W") == (stored.pid, stored.pid_start, stored.worker_id)
    assert stored.started_at == stored.claimed_at
    assert [] == spawner.said
    theirs.close()


def test_a_job_that_waited_begins_when_its_process_is_stored(fleet: Fleet, client: Client) -> None:
    """One that was claimed before it had one."""
    job = taken(fleet, client)
    theirs = stand_by(fleet, 78)
    fleet.match()
    spawner: Any = fleet.spawner
    assert [] == spawner.said
    written = fleet.ledger.commit(room=0, running=1, state="running")
    assert written is not None
    assert 78 == client.get(job.job_id).pid
    fleet.lead(written.started[0])

    assert [("lead", job.job_id, 78)] == spawner.said
    theirs.close()


@pytest.mark.parametrize("how", ["no process", "not begun"])
def test_a_job_that_gets_no_process_for_long_ends(fleet: Fleet, client: Client, how: str) -> None:
    """After the last try, as spawn_failed; each try is reported."""
    told: list[Notice] = []
    fleet.listener = told.append
    job = taken(fleet, client)
    for _ in range(TRIES):
        if how == "no process":
            fleet.hear({"op": "fork_failed", "error": "EAGAIN", "again_in": 0.1})
        else:
            fleet.hear({"op": "not_begun", "job_id": job.job_id, "error": "SIGKILL"})

    assert [("failed", "spawn_failed")] == ends(fleet)
    assert (TRIES if how == "no process" else TRIES - 1) == len(told)


@pytest.mark.parametrize(
    ("cause", "end"),
    [
        ("cancelled", ("cancelled", "cancelled")),
        ("shutdown", ("failed", "interrupted")),
        ("worker_lost", ("failed", "worker_lost")),
    ],
)
def test_a_job_whose_handler_has_not_begun_ends_at_once(
    fleet: Fleet, client: Client, cause: str, end: tuple[str, str]
) -> None:
    """While it waits for a process, has one that nobody was told of, or has lost it."""
    waits, matched = taken(fleet, client), taken(fleet, client)
    stand_by(fleet, 8).close()
    led = taken(fleet, client)
    stand_by(fleet, 7).close()
    fleet.timers.set(f"again {waits.job_id}", 60, lambda: None)
    fleet.match()
    assert [matched.job_id] == [running.job.job_id for running in fleet.ledger.starts]
    for job in (waits, matched, led):
        fleet.end(fleet.running[job.job_id], cause, 1.0)
    fleet.hear({"op": "not_begun", "job_id": led.job_id, "error": "SIGKILL"})

    assert [end] * 3 == ends(fleet)
    assert [] == fleet.ledger.starts
    assert [7] == [process.pid for process in fleet.ready]  # it was never told anything


def test_what_has_not_begun_outlives_a_spawner(fleet: Fleet, client: Client) -> None:
    """Jobs without an order get processes of the next one; one that is to end does not, nor one that has begun."""
    theirs = [stand_by(fleet, pid) for pid in (1, 2, 3)]
    begun, led, ending = (taken(fleet, client) for _ in theirs)
    fleet.led, waiting = fleet.led[:1], fleet.led[1:]
    fleet.give_orders()
    fleet.led = waiting
    fleet.end(fleet.running[ending.job_id], "cancelled", 1.0)
    stand_by(fleet, 4).close()
    fleet.use(None)
    fleet.lead(fleet.running[led.job_id])
    anew = Recorder()
    fleet.use(anew)  # pyright: ignore[reportArgumentType]

    assert [("cancelled", "cancelled")] == ends(fleet)
    assert (Stage.GOING, Stage.CLAIMED) == tuple(fleet.running[job.job_id].stage for job in (begun, led))
    assert ([], []) == ([*fleet.ready], anew.said)
    stand_by(fleet, 5).close()
    fleet.match()
    assert fleet.ledger.commit(room=0, running=0, state="running") is not None
    fleet.lead(fleet.running[led.job_id])
    assert [("lead", led.job_id, 5)] == anew.said
    for end in theirs:
        end.close()


def test_an_order_that_is_only_half_sent_has_begun_nothing(fleet: Fleet, client: Client) -> None:
    """Its process reads all of it before the handler begins; its spawner is killed meanwhile."""
    theirs = stand_by(fleet, 1)
    job = taken(fleet, client)
    running = fleet.running[job.job_id]
    running.order_body = b"x" * 10_000_000
    fleet.give_orders()
    assert (Stage.GOING, True) == (running.stage, bool(running.unsent))
    fleet.use(None)

    assert (Stage.CLAIMED, None) == (running.stage, running.pid)
    theirs.close()


def test_a_job_that_lost_its_process_has_none_in_its_row(fleet: Fleet, client: Client) -> None:
    """Else whoever looks would call it a running job without a process, and after a while another program its own."""
    theirs = stand_by(fleet, 1)
    job = taken(fleet, client)
    assert 1 == client.get(job.job_id).pid
    fleet.hear({"op": "not_begun", "job_id": job.job_id, "error": "SIGKILL"})
    fleet.ledger.commit(room=0, running=1, state="running")
    row = client.get(job.job_id)

    assert ("running", None, None, None) == (row.status, row.pid, row.pid_start, row.started_at)
    assert fleet.ledger.is_empty
    theirs.close()


def test_a_process_that_is_gone_gets_no_job(fleet: Fleet, client: Client) -> None:
    """Nor does one that no descriptor was left for."""
    for pid in (1, 2):
        stand_by(fleet, pid).close()
    fleet.hear({"op": "ready", "pid": 3, "start": 3, "channel": None})
    fleet.hear({"op": "gone", "pid": 1, "error": "SIGKILL"})
    fleet.hear({"op": "gone", "pid": 9, "error": ""})
    taken(fleet, client)
    spawner: Any = fleet.spawner

    assert [2] == [said[2] for said in spawner.said]
    assert [] == [*fleet.ready]


def test_a_matched_process_that_is_gone_is_parted_from_its_job(fleet: Fleet, client: Client) -> None:
    """Nobody was told of the two yet: the job waits again, and no other one gets the dead process."""
    job = taken(fleet, client)
    stand_by(fleet, 1).close()
    fleet.match()
    fleet.hear({"op": "gone", "pid": 1, "error": "SIGKILL"})
    running = fleet.running[job.job_id]
    assert ([running], []) == (fleet.waiting, fleet.ledger.starts)
    fleet.end(running, "cancelled", 1.0)

    assert [] == [*fleet.ready]
    assert [("cancelled", "cancelled")] == ends(fleet)


def test_what_others_have_ended_is_disowned(fleet: Fleet, client: Client) -> None:
    """Its process is killed, once; a cancel that is asked for is passed on, once."""
    for pid in (1, 2):
        stand_by(fleet, pid).close()
    lost, asked = taken(fleet, client), taken(fleet, client)
    request = CancelRequest(asked.job_id, "me", "", "INT")
    for _ in range(2):
        fleet.obey({asked.job_id: request})
    fleet.ended(fleet.running[lost.job_id], {"op": "ended", "cause": "worker_lost"})
    fleet.obey({})
    spawner: Any = fleet.spawner

    assert [
        ("end", lost.job_id, "worker_lost", "SIGKILL"),
        ("end", asked.job_id, "cancelled", "SIGINT"),
        ("end", asked.job_id, "worker_lost", "SIGKILL"),
    ] == [said for said in spawner.said if said[0] == "end"]


def test_progress_is_written_once_a_turn_and_the_first_word_is_the_last(fleet: Fleet, client: Client) -> None:
    """However often a job reports, and whatever comes after its result."""
    theirs = stand_by(fleet, 1)
    running = fleet.running[taken(fleet, client).job_id]
    fleet.give_orders()
    for kind, body in (
        (Kind.PROGRESS, b"1"),
        (Kind.PROGRESS, b"2"),
        (Kind.RESULT, b'{"result": 3, "token": null}'),
        (Kind.ERROR, b"[]"),
    ):
        theirs.send(encode(kind, body))
        fleet._read(running)  # pyright: ignore[reportPrivateUsage]
    theirs.close()

    assert [running] == fleet.ledger.progress
    assert ("2", (Kind.RESULT, {"result": 3, "token": None})) == (running.progress, running.last_frame)


def test_the_plan_of_a_living_worker_is_left_alone(client: Client) -> None:
    """Only what is provably dead is buried; otherwise the plan is busy."""
    plan_id = add_plan(client.db)
    client.enqueue_plan(plan_id, Phase.EXECUTE)
    with client.db.write() as tx:
        workers.register(tx, worker_row(Identity.current(), worker_id="W"))
        (job,) = claims.claim(tx, "W", 1)

    with pytest.raises(ConflictError, match=job.job_id):
        client.enqueue_plan(plan_id, Phase.EXECUTE)


def test_a_store_that_cannot_be_read_is_a_failed_try_not_a_crash(
    fleet: Fleet, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading whether something is queued may fail like any write; the loop goes on enforcing."""
    client.db.connection.execute("ALTER TABLE async_jobs RENAME TO elsewhere")

    assert fleet.ledger.commit(room=1, running=0, state="running") is None
    assert "no such table" in fleet.ledger.problem


def test_new_limits_are_written_with_everything_else(fleet: Fleet, client: Client) -> None:
    """By the loop's own commit, which waits for nobody."""
    fleet.ledger.limits = (7, 99.0)
    assert not fleet.ledger.is_empty
    fleet.ledger.commit(room=0, running=0, state="running")
    row = workers.get(client.db, "W")

    assert row is not None
    assert (7, 99.0) == (row.max_workers, row.ttl)
    assert fleet.ledger.is_empty


def test_without_any_spawner_what_was_claimed_can_be_ended(fleet: Fleet, client: Client) -> None:
    """A worker that gives up its spawners must not wait for a process that will never be."""
    taken(fleet, client)
    stand_by(fleet, 1).close()
    taken(fleet, client)
    fleet.use(None)
    fleet.end_all("worker_lost", 0.0, signal.SIGKILL)

    assert [("failed", "worker_lost")] * 2 == ends(fleet)
    assert [] == fleet.ledger.starts
