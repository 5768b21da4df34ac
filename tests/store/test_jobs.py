"""Putting jobs in and looking at them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from typing import Any

import orjson
import pytest
from support.home import Home
from support.queue import WORKER, add_plan, claim, finish

from agentsd.errors import (
    AmbiguousIdError,
    BadPayloadError,
    ConflictError,
    InvalidInputError,
    InvalidTransitionError,
    NotFoundError,
)
from agentsd.model import (
    PAYLOAD_VERSION,
    AsyncJob,
    AsyncJobStatus,
    Phase,
    PlanState,
    Reason,
)
from agentsd.store import cancel, claims, events, jobs, payload, plans, retention, workers
from agentsd.store.database import Database, open_store
from agentsd.store.jobs import NewJob


def run_phase(db: Database, plan_id: str, phase: Phase, status: AsyncJobStatus, reason: Reason) -> AsyncJob:
    """Queue, claim and finish a phase of a plan."""
    with db.write() as tx:
        jobs.insert_for_plan(tx, plan_id, phase)
    job = claim(db)[0]
    finish(db, job, status, reason)
    return jobs.get(db, job.job_id)


def test_what_was_enqueued_is_there_after_reopening(home: Home) -> None:
    """Enqueue is durable and stores what was said."""
    with open_store(home.state) as db:
        job = jobs.enqueue(db, NewJob(phase="echo", data={"a": [1, None]}, priority=3, timeout=1.5))
    with open_store(home.state) as db:
        found = jobs.get(db, job.job_id)

    assert job == found
    assert found.plan_id == found.job_id
    assert (AsyncJobStatus.QUEUED, 3, 1.5, 1) == (found.status, found.priority, found.timeout, found.attempt)
    assert {"schema_version": 1, "phase": "echo", "data": {"a": [1, None]}} == orjson.loads(
        found.payload_json
    )


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"data": {"a": ["ä", "\0", None]}, "priority": jobs.LOWEST_PRIORITY, "timeout": 7},
        {"plan_id": "P", "phase": Phase.EXECUTE, "timeout": 0.25, "priority": True},
        {"hold": True, "key": "nightly"},
        {"after": "ANOTHER"},
        {"payload_json": "{}", "schema_version": PAYLOAD_VERSION + 1, "attempt": 3, "retry_of": "ANOTHER"},
    ],
    ids=lambda wishes: "-".join(wishes) or "nothing",
)
def test_the_job_that_is_handed_out_is_the_row(db: Database, wishes: dict[str, Any]) -> None:
    """It is not read back, and yet the same in every field, types included."""
    another = jobs.enqueue(db, NewJob(phase="noop")).job_id
    said: dict[str, Any] = {"phase": "noop"} | {
        name: another if value == "ANOTHER" else value for name, value in wishes.items()
    }

    job = jobs.enqueue(db, NewJob(**said))

    found = asdict(jobs.get(db, job.job_id))
    assert found == asdict(job)
    for name in ("timeout", "phase", "plan_id", "status", "created_at", "payload_json"):
        assert type(found[name]) is type(getattr(job, name)), name


def test_the_claim_takes_high_priority_first_then_the_oldest(db: Database) -> None:
    """Order of claims: priority, then arrival."""
    wanted = [jobs.enqueue(db, NewJob(phase="noop", priority=p)).job_id for p in (0, 5, 0, 5)]

    assert [wanted[1], wanted[3], wanted[0]] == [job.job_id for job in claim(db, 3)]
    assert [wanted[2]] == [job.job_id for job in claim(db, 3)]
    assert claim(db, 3) == []
    assert not claims.something_is_queued(db)


def test_a_claim_walks_the_partial_index(db: Database) -> None:
    """The cost of a claim does not depend on how many rows there are."""
    plan = " ".join(
        row[3]
        for row in db.read(
            f"EXPLAIN QUERY PLAN {claims.CLAIM}", {"worker_id": WORKER, "now": "", "version": 1, "limit": 1}
        )
    )

    assert "jobs_queued" in plan
    assert "SCAN async_jobs USING INDEX jobs_queued" in plan or "SEARCH" in plan
    assert "TEMP B-TREE" not in plan


def test_a_newer_payload_is_not_claimed(db: Database) -> None:
    """It waits for a worker that knows its version."""
    job = jobs.enqueue(db, NewJob(phase="noop", payload_json="{}", schema_version=PAYLOAD_VERSION + 1))

    assert claim(db) == []
    assert not claims.something_is_queued(db)
    assert [job.job_id] == jobs.waiting_for_newer_worker(db)


def test_every_move_writes_who_when_and_why(db: Database) -> None:
    """The history of a plain job."""
    jobs.enqueue(db, NewJob(phase="noop"))
    job = claim(db)[0]
    finish(db, job)
    history = events.for_job(db, job.job_id)

    assert [(None, "queued"), ("queued", "running"), ("running", "succeeded")] == [
        (event.from_status, event.to_status) for event in history
    ]
    assert "completed" == history[-1].reason
    assert all("@" in event.by and event.pid > 0 and event.at.endswith("Z") for event in history)


def test_a_finish_is_fenced(db: Database) -> None:
    """Only the owner finishes, and only once; what comes late is dropped and recorded."""
    jobs.enqueue(db, NewJob(phase="noop"))
    job = claim(db)[0]
    finish(db, job, worker_id="another")
    assert jobs.get(db, job.job_id).status is AsyncJobStatus.RUNNING
    finish(db, job, AsyncJobStatus.FAILED, Reason.STUCK)
    finish(db, job)
    found = jobs.get(db, job.job_id)

    assert (AsyncJobStatus.FAILED, Reason.STUCK) == (found.status, found.reason)
    dropped = [
        event.detail["status"] for event in events.for_job(db, job.job_id) if "dropped" in event.detail
    ]
    assert ["succeeded", "succeeded"] == dropped


def test_finishing_again_after_a_lost_answer_is_no_late_result(db: Database) -> None:
    """A commit that was applied although it reported an error is tried again: nothing is recorded twice."""
    jobs.enqueue(db, NewJob(phase="noop"))
    job = claim(db)[0]
    finish(db, job)
    finish(db, job)

    assert 3 == len(events.for_job(db, job.job_id))


def test_the_late_end_of_a_job_that_was_pruned_is_nothing(db: Database) -> None:
    """There is no row to record it at."""
    jobs.enqueue(db, NewJob(phase="noop"))
    job = claim(db)[0]
    finish(db, job)
    assert 1 == retention.prune(db, "9999")
    finish(db, job)

    with pytest.raises(NotFoundError):
        jobs.get(db, job.job_id)


def test_starting_and_progress_are_fenced(db: Database) -> None:
    """Neither touches a row that others own."""
    jobs.enqueue(db, NewJob(phase="noop"))
    job = claim(db)[0]
    with db.write() as tx:
        assert claims.mark_started(tx, job, WORKER, 4711, 99)
        assert not claims.mark_started(tx, job, "another", 1, 1)
        claims.save_progress(tx, job.job_id, "another", "1")
        claims.save_progress(tx, job.job_id, WORKER, "[2]")
    found = jobs.get(db, job.job_id)

    assert (4711, 99, "[2]") == (found.pid, found.pid_start, found.progress)
    assert found.started_at is not None


def test_a_queued_job_is_cancelled_at_once(db: Database) -> None:
    """It never runs, and says who and why."""
    job = jobs.enqueue(db, NewJob(phase="noop"))
    with db.write() as tx:
        cancelled = cancel.request_cancel(tx, job.job_id, why="not needed")

    assert (AsyncJobStatus.CANCELLED, Reason.CANCELLED_BEFORE_START) == (cancelled.status, cancelled.reason)
    assert "not needed" == events.for_job(db, job.job_id)[-1].detail["why"]
    assert claim(db) == []


def test_the_first_to_cancel_a_running_job_is_who_cancelled_it(db: Database) -> None:
    """Later requests change neither who nor why, but may make it harsher."""
    jobs.enqueue(db, NewJob(phase="noop"))
    job = claim(db)[0]
    with db.write() as tx:
        cancel.request_cancel(tx, job.job_id, why="first")
        cancel.request_cancel(tx, job.job_id, why="second", signal="KILL")
        asked = claims.own_jobs(tx, WORKER)[job.job_id]

    assert asked is not None
    assert ("first", "KILL") == (asked.why, asked.signal)
    assert {job.job_id: asked} == claims.own_jobs(db, WORKER)


def test_what_has_ended_or_never_was_cannot_be_cancelled(db: Database) -> None:
    """Each with an error of its own."""
    jobs.enqueue(db, NewJob(phase="noop"))
    job = claim(db)[0]
    finish(db, job)

    with (
        pytest.raises(InvalidTransitionError, match="is succeeded: it cannot become cancelled"),
        db.write() as tx,
    ):
        cancel.request_cancel(tx, job.job_id)
    with pytest.raises(NotFoundError), db.write() as tx:
        cancel.request_cancel(tx, "0" * 26)


def test_ids_are_found_by_prefix_and_suffix(db: Database) -> None:
    """Six characters or more, upper or lower case, from either end."""
    job_id = jobs.enqueue(db, NewJob(phase="noop")).job_id

    assert [job_id] * 4 == [
        jobs.resolve(db, text) for text in (job_id, job_id[:20], job_id[-6:], job_id[-8:].lower())
    ]


@pytest.mark.parametrize("text", ["short", "01J", "not-an-id", "0" * 27, "UUUUUU"])
def test_what_cannot_be_an_id_is_refused(db: Database, text: str) -> None:
    """Says what an id is."""
    with pytest.raises(InvalidInputError, match="expected a ULID"):
        jobs.resolve(db, text)


def test_an_unknown_and_an_ambiguous_id_are_told_apart(db: Database) -> None:
    """Exit codes 3 and 2."""
    ids = [jobs.enqueue(db, NewJob(phase="noop")).job_id for _ in range(2)]

    with pytest.raises(AmbiguousIdError, match="fits several jobs"):
        jobs.resolve(db, ids[0][:6])
    with pytest.raises(NotFoundError):
        jobs.resolve(db, "ZZZZZZ")
    with pytest.raises(NotFoundError):
        jobs.resolve(db, "Z" * 26)


def test_lists_filter_and_come_newest_first(db: Database) -> None:
    """Every condition that is given has to hold."""
    ids = [jobs.enqueue(db, NewJob(phase=phase)).job_id for phase in ("noop", "echo", "noop")]
    taken = claim(db)[0]

    assert ids[::-1] == [job.job_id for job in jobs.list_jobs(db)]
    assert ids[:0:-1] == [job.job_id for job in jobs.list_jobs(db, statuses=["queued"])]
    assert [ids[2]] == [job.job_id for job in jobs.list_jobs(db, limit=1)]
    assert [ids[1]] == [job.job_id for job in jobs.list_jobs(db, phase="echo")]
    assert [taken.job_id] == [job.job_id for job in jobs.list_jobs(db, worker_id=WORKER)]
    assert [ids[1]] == [job.job_id for job in jobs.list_jobs(db, plan_id=ids[1])]
    assert {"queued": 2, "running": 1, "succeeded": 0, "failed": 0, "cancelled": 0} == jobs.counts(db)


def test_a_retry_is_a_new_row(db: Database) -> None:
    """Same work, attempt plus one; and only of what has ended."""
    first = jobs.enqueue(db, NewJob(phase="echo", data=1, priority=2))
    with pytest.raises(ConflictError, match="is queued"), db.write() as tx:
        jobs.insert_retry(tx, first)
    finish(db, claim(db)[0])
    with db.write() as tx:
        second = jobs.insert_retry(tx, jobs.get(db, first.job_id))

    assert (2, first.job_id, first.payload_json, 2) == (
        second.attempt, second.retry_of, second.payload_json, second.priority,
    )  # fmt: skip
    assert second.plan_id == second.job_id
    assert second == jobs.successor(db, first.job_id)
    assert jobs.successor(db, second.job_id) is None


def test_what_is_tried_again_already_is_not_tried_a_second_time(db: Database) -> None:
    """However many attempts lie between it and the one that is queued or runs; when that has ended, it is."""
    first = jobs.enqueue(db, NewJob(phase="echo", data=1))
    other = jobs.enqueue(db, NewJob(phase="echo", data=1))
    for job in (first, other):
        assert claim(db) != []
        finish(db, jobs.get(db, job.job_id))
    with db.write() as tx:
        second = jobs.insert_retry(tx, jobs.get(db, first.job_id))
        jobs.insert_retry(tx, jobs.get(db, other.job_id))
    finish(db, claim(db)[0])
    with db.write() as tx:
        third = jobs.insert_retry(tx, jobs.get(db, second.job_id))

    for status in ("queued", "running"):
        for ended in (first, second):
            with (
                pytest.raises(
                    ConflictError, match=f"{ended.job_id} is tried again .* {third.job_id} is {status}"
                ),
                db.write() as tx,
            ):
                jobs.insert_retry(tx, jobs.get(db, ended.job_id))
        claim(db, 2)
    finish(db, jobs.get(db, third.job_id))
    with db.write() as tx:
        assert first.job_id == jobs.insert_retry(tx, jobs.get(db, first.job_id)).retry_of


# -- plans ------------------------------------------------------------------------------------------


def test_a_plan_moves_in_the_transactions_of_its_jobs(db: Database) -> None:
    """Draft -> executing -> ready -> applying -> applied."""
    plan_id = add_plan(db)
    seen = [plans.get(db, plan_id).state]
    for phase in (Phase.EXECUTE, Phase.APPLY):
        with db.write() as tx:
            jobs.insert_for_plan(tx, plan_id, phase)
        seen.append(plans.get(db, plan_id).state)
        finish(db, claim(db)[0])
        seen.append(plans.get(db, plan_id).state)

    assert ["draft", "executing", "ready", "applying", "applied"] == seen
    with pytest.raises(ConflictError, match="is applied"), db.write() as tx:
        jobs.insert_for_plan(tx, plan_id, Phase.EXECUTE)


@pytest.mark.parametrize(
    ("status", "reason", "state"),
    [
        (AsyncJobStatus.FAILED, Reason.STEP_FAILED, PlanState.FAILED),
        (AsyncJobStatus.CANCELLED, Reason.CANCELLED, PlanState.CANCELLED),
    ],
)
def test_a_failed_execute_can_be_tried_again(
    db: Database, status: AsyncJobStatus, reason: Reason, state: PlanState
) -> None:
    """And an earlier result is never taken away by a later failure."""
    plan_id = add_plan(db)
    run_phase(db, plan_id, Phase.EXECUTE, status, reason)
    assert state == plans.get(db, plan_id).state
    good = run_phase(db, plan_id, Phase.EXECUTE, AsyncJobStatus.SUCCEEDED, Reason.COMPLETED)
    run_phase(db, plan_id, Phase.EXECUTE, status, reason)

    assert PlanState.READY == plans.get(db, plan_id).state
    assert good == jobs.latest_result(db, plan_id)


def test_an_interrupted_apply_stays_applying_until_its_journal_is_gone(db: Database) -> None:
    """A conflict before the first write leaves the plan ready."""
    plan_id = add_plan(db)
    run_phase(db, plan_id, Phase.EXECUTE, AsyncJobStatus.SUCCEEDED, Reason.COMPLETED)
    run_phase(db, plan_id, Phase.APPLY, AsyncJobStatus.FAILED, Reason.CONFLICT)
    assert PlanState.READY == plans.get(db, plan_id).state
    journal = db.state.apply_journal(plan_id)
    journal.parent.mkdir()
    journal.touch()
    run_phase(db, plan_id, Phase.APPLY, AsyncJobStatus.FAILED, Reason.WORKER_LOST)

    assert PlanState.APPLYING == plans.get(db, plan_id).state
    journal.rename(db.state.finished_apply_journal(plan_id))
    run_phase(db, plan_id, Phase.APPLY, AsyncJobStatus.FAILED, Reason.WORKER_LOST)
    assert PlanState.APPLIED == plans.get(db, plan_id).state


def test_a_plan_has_one_active_job(db: Database) -> None:
    """The second one is refused, naming the first; so is a retry."""
    plan_id = add_plan(db)
    failed = run_phase(db, plan_id, Phase.EXECUTE, AsyncJobStatus.FAILED, Reason.STEP_FAILED)
    with db.write() as tx:
        active = jobs.insert_for_plan(tx, plan_id, Phase.EXECUTE)

    with pytest.raises(ConflictError, match=active.job_id), db.write() as tx:
        jobs.insert_for_plan(tx, plan_id, Phase.APPLY)
    with pytest.raises(ConflictError, match=active.job_id), db.write() as tx:
        jobs.insert_retry(tx, failed)


def test_an_automatic_successor_keeps_the_plan_executing(db: Database) -> None:
    """The end of one attempt and the next attempt are one transaction."""
    plan_id = add_plan(db)
    with db.write() as tx:
        jobs.insert_for_plan(tx, plan_id, Phase.EXECUTE)
    job = claim(db)[0]
    following = jobs.successor_of(job, attempt=2)
    queued = finish(db, job, AsyncJobStatus.FAILED, Reason.TIMEOUT, successor=following)

    assert queued is not None
    assert (2, job.job_id, plan_id) == (queued.attempt, queued.retry_of, queued.plan_id)
    assert PlanState.EXECUTING == plans.get(db, plan_id).state


def test_cancelling_the_queued_job_of_a_plan_frees_the_plan(db: Database) -> None:
    """The plan is cancelled and can be executed again."""
    plan_id = add_plan(db)
    with db.write() as tx:
        job = jobs.insert_for_plan(tx, plan_id, Phase.EXECUTE)
        cancel.request_cancel(tx, job.job_id)

    assert PlanState.CANCELLED == plans.get(db, plan_id).state
    with db.write() as tx:
        jobs.insert_retry(tx, jobs.get(db, job.job_id))
    assert PlanState.EXECUTING == plans.get(db, plan_id).state


def test_a_plan_with_an_active_job_is_not_moved_by_hand(db: Database) -> None:
    """A revert or a discard beside an apply that was queued meanwhile would be overwritten by its end."""
    plan_id = add_plan(db, "01J000000000000000000000P1")
    with db.write() as tx:
        job = jobs.insert_for_plan(tx, plan_id, Phase.EXECUTE, {"onto_current": True})

    with pytest.raises(ConflictError, match=f"has an active job: {job.job_id}"):
        plans.set_state(db, plan_id, PlanState.DISCARDED, set(PlanState))
    assert orjson.loads(job.payload_json)["data"] == {"onto_current": True, "plan_id": plan_id}


def test_plans_are_listed_found_and_moved_by_hand(db: Database) -> None:
    """What the command line does with plans."""
    first, second = add_plan(db, "01J000000000000000000000P1"), add_plan(db, "01J000000000000000000000P2")
    plans.set_state(db, first, PlanState.DISCARDED, [PlanState.DRAFT])

    assert {first, second} == {plan.plan_id for plan in plans.list_plans(db)}
    assert [second] == [plan.plan_id for plan in plans.list_plans(db, states=["draft"], limit=5)]
    assert second == plans.resolve(db, "0000P2")
    with pytest.raises(ConflictError, match="is discarded: only one that is applied can be made ready"):
        plans.set_state(db, first, PlanState.READY, [PlanState.APPLIED])
    with pytest.raises(NotFoundError):
        plans.set_state(db, "0" * 26, PlanState.READY, [PlanState.APPLIED])
    with pytest.raises(NotFoundError):
        plans.get(db, "0" * 26)


# -- retention --------------------------------------------------------------------------------------


def test_pruning_takes_what_ended_long_ago_with_its_logs(db: Database) -> None:
    """Queued, running and recent jobs stay, and so does the result of a plan that is not applied."""
    plan_id = add_plan(db)
    kept = run_phase(db, plan_id, Phase.EXECUTE, AsyncJobStatus.SUCCEEDED, Reason.COMPLETED)
    old = jobs.enqueue(db, NewJob(phase="noop"))
    finish(db, claim(db)[0])
    log = db.state.job_logs(old.job_id) / "job.log"
    log.parent.mkdir(parents=True)
    log.write_text("output")
    queued = jobs.enqueue(db, NewJob(phase="noop"))

    assert retention.expired(db, retention.cutoff(3600)) == []
    assert [old.job_id] == retention.expired(db, retention.cutoff(-1))
    assert 1 == retention.prune(db, retention.cutoff(-1))
    assert {kept.job_id, queued.job_id} == {job.job_id for job in jobs.list_jobs(db)}
    assert not log.parent.exists()
    assert db.read("SELECT count(*) FROM job_events WHERE job_id = ?", (old.job_id,)) == [(0,)]


def test_pruning_goes_on_slice_by_slice(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one slice is deleted in several transactions."""
    monkeypatch.setattr(retention, "SLICE", 2)
    for _ in range(5):
        jobs.enqueue(db, NewJob(phase="noop"))
    for job in claim(db, 5):
        finish(db, job)

    assert 5 == retention.prune(db, "9999")
    assert jobs.list_jobs(db) == []


def test_supervisors_that_ended_are_pruned_too(db: Database) -> None:
    """Their rows are history like any other."""
    db.connection.execute(
        "INSERT INTO workers (worker_id, host, boot_id, pid_namespace, pid, pid_start, uid, state, max_workers, ttl,"
        " started_at, last_heartbeat, version, socket_path)"
        " VALUES ('W', 'h', 'b', 'n', 1, 1, 0, 'running', 1, 1, '1', '1', '1', '/run/W.sock')"
    )
    with db.write() as tx:
        assert ["/run/W.sock"] == workers.sockets(tx)
    with db.write() as tx:
        assert workers.end(tx, "W", state="stopped", reason="stopped")
        assert not workers.end(tx, "W", state="lost", reason="stuck")
        assert not workers.beat(tx, "W", running=0, processed=0, state="running")
    assert ["W"] == [worker.worker_id for worker in workers.list_workers(db, include_ended=True)]
    assert workers.list_workers(db) == []
    with db.write() as tx:
        assert workers.sockets(tx) == []
    retention.prune(db, "9999")

    assert workers.get(db, "W") is None


# -- payload ----------------------------------------------------------------------------------------


def test_unknown_fields_of_an_envelope_survive() -> None:
    """A newer writer may add some without a new version."""
    text = payload.wrap("echo", {"a": 1}, {"note": "kept"})

    assert {"schema_version": 1, "phase": "echo", "data": {"a": 1}, "note": "kept"} == payload.unwrap(text)


def test_older_envelopes_are_upgraded_step_by_step() -> None:
    """The chain runs until no step is left."""

    def first(old: payload.Envelope) -> payload.Envelope:
        return {**old, "schema_version": 2, "a": 1}

    def second(old: payload.Envelope) -> payload.Envelope:
        return {**old, "schema_version": 3, "b": 2}

    assert {"schema_version": 3, "a": 1, "b": 2} == payload.upgraded(
        {"schema_version": 1}, {1: first, 2: second}
    )


@pytest.mark.parametrize("text", ["not json", "[]", "{}", '{"schema_version": "1"}'])
def test_what_is_no_envelope_is_refused(text: str) -> None:
    """With the reason bad_payload later."""
    with pytest.raises(BadPayloadError):
        payload.unwrap(text)


def test_a_payload_that_is_not_json_is_refused() -> None:
    """Before anything is stored."""
    with pytest.raises(BadPayloadError, match="not JSON"):
        payload.wrap("echo", object())


# -- contention -------------------------------------------------------------------------------------

ENQUEUE = """
from agentsd.store.database import open_store
from agentsd.store.jobs import NewJob, enqueue
from agentsd.store.paths import state_dir
with open_store(state_dir()) as db:
    for _ in range(20):
        enqueue(db, NewJob(phase="noop"))
"""
CLAIM = """
from agentsd.store.claims import Ending, claim, finish
from agentsd.store.database import open_store
from agentsd.store.jobs import counts
from agentsd.store.paths import state_dir
from agentsd.model import AsyncJobStatus, Reason
import os
with open_store(state_dir()) as db:
    while counts(db)["succeeded"] < 160:
        with db.write() as tx:
            taken = claim(tx, str(os.getpid()), 3)
        with db.write() as tx:
            for job in taken:
                finish(tx, Ending(job=job, status=AsyncJobStatus.SUCCEEDED, reason=Reason.COMPLETED), str(os.getpid()))
"""


def test_writers_at_once_lose_and_double_nothing(home: Home, db: Database) -> None:
    """Eight processes enqueue while two claim: every job ends once, nobody sees a locked database."""
    writers = [
        subprocess.Popen([sys.executable, "-c", code], env=home.environ, stderr=subprocess.PIPE)
        for code in [CLAIM] * 2 + [ENQUEUE] * 8
    ]
    complaints = [writer.communicate()[1] for writer in writers]
    finished = db.read(
        "SELECT job_id, count(*) FROM job_events WHERE to_status = 'succeeded' GROUP BY job_id"
    )
    claimed = db.read("SELECT count(*) FROM job_events WHERE to_status = 'running'")

    assert [b""] * 10 == complaints
    assert 160 == jobs.counts(db)["succeeded"]
    assert {1} == {count for _, count in finished}
    assert [(len(finished),)] == claimed
