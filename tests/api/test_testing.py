"""`agentsd.testing`: a job inline ends as a real one does, a clock that is the test's, a store that goes away."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from support.home import Home
from support.supervisor import Supervisor

from agentsd import AsyncJobStatus, JobContext
from agentsd.errors import (
    ApplyConflictError,
    BadPayloadError,
    InvalidInputError,
    JobCancelled,
    StepFailedError,
    WaitTimeoutError,
)
from agentsd.model import JSON, Reason
from agentsd.store.settings import load_settings
from agentsd.testing import FakeClock, FakeToken, job_context, run_inline, run_queued, stores, temporary_store
from agentsd.workers.child import load_handler
from agentsd.workers.phases import registered

# -- the clock --------------------------------------------------------------------------------------


def test_the_clock_stands_still_until_it_is_moved() -> None:
    """And is told as a number, a time, and as the store writes it."""
    clock = FakeClock(datetime(2030, 2, 28, 23, 59, tzinfo=UTC))
    clock.advance(61.5)

    assert 61.5 == clock.elapsed
    assert datetime(2030, 3, 1, 0, 0, 1, 500000, tzinfo=UTC) == clock.now
    assert "2030-03-01T00:00:01.500000Z" == clock.text


def test_what_is_planned_happens_in_its_order_at_its_time() -> None:
    """Also what is planned meanwhile, and what should have happened already."""
    clock, seen = FakeClock(), list[tuple[str, float]]()

    def note(name: str) -> Callable[[], None]:
        return lambda: seen.append((name, clock.elapsed))

    clock.at(5, note("second"))
    clock.at(5, note("third"))
    clock.at(2, lambda: (note("first")(), clock.at(7, note("fourth"))))
    clock.at(11, note("never"))
    clock.advance(10)
    clock.at(1, note("late"))

    assert [("first", 2), ("second", 5), ("third", 5), ("fourth", 7), ("late", 10)] == seen
    assert 10 == clock.elapsed


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-1, "not below 0"), (math.nan, "not below 0"), (math.inf, "an end")]
)
def test_a_clock_cannot_go_back_or_on_for_ever(seconds: float, expected: str) -> None:
    """It says so instead of hanging."""
    with pytest.raises(InvalidInputError, match=expected):
        FakeClock().advance(seconds)


def test_a_token_waits_by_the_clock() -> None:
    """It wakes when it is set, its age is the clock's, and only the first reason counts."""
    token = FakeToken()
    token.clock.at(40, lambda: token.set("shutdown"))

    assert not token.wait(30)
    assert (0.0, "") == (token.age, token.reason)
    assert token.wait()
    token.set("timeout")
    token.clock.advance(2)
    assert (42, 2, "shutdown") == (token.clock.elapsed, token.age, token.reason)
    with pytest.raises(JobCancelled, match="shutdown"):
        token.raise_if_set()


def test_a_wait_that_nothing_would_end_is_an_error() -> None:
    """A test that would hang says why."""
    with pytest.raises(InvalidInputError, match="nothing more is planned"):
        FakeToken().wait()


# -- one job, inline --------------------------------------------------------------------------------


def patient(job: JobContext) -> JSON:
    """Look once a minute, for an hour; give up gracefully."""
    for minute in range(60):
        job.progress({"minute": minute})
        if job.token.wait(60):
            return {"stopped": job.token.reason}
    return {"minutes": 60}


def test_a_handler_that_waits_takes_no_time() -> None:
    """It ends as it would after a real hour, and everything that it reported is there."""
    ended = run_inline(patient, timeout=4000)

    assert (AsyncJobStatus.SUCCEEDED, Reason.COMPLETED, {"minutes": 60}) == (
        ended.status,
        ended.reason,
        ended.result,
    )
    assert ended.error is None
    assert [{"minute": minute} for minute in range(60)] == list(ended.progress)


def test_a_handler_is_cancelled_when_the_clock_says_so() -> None:
    """The one that obeys its token and returns is cancelled, with what it returned."""
    clock = FakeClock()
    clock.advance(1000)
    ended = run_inline(patient, timeout=4000, cancel_after=150, clock=clock)

    assert (AsyncJobStatus.CANCELLED, Reason.CANCELLED) == (ended.status, ended.reason)
    assert {"stopped": "cancelled"} == ended.result
    assert 3 == len(ended.progress)
    assert 1150 == clock.elapsed


def test_a_handler_runs_out_of_time() -> None:
    """By the clock; the sentence names the limit."""
    ended = run_inline(patient, timeout=90)

    assert (AsyncJobStatus.FAILED, Reason.TIMEOUT) == (ended.status, ended.reason)
    assert "timeout of 90 s" in (ended.error or "")


def test_a_handler_that_never_looks_at_the_token_gets_the_exception() -> None:
    """At the next thing that it asks of agentsd, as the signal would find it."""
    clock = FakeClock()

    def blind(job: JobContext) -> None:
        clock.advance(31)
        job.progress("not reached")

    ended = run_inline(blind, cancel_after=30, clock=clock)

    assert (AsyncJobStatus.CANCELLED, ()) == (ended.status, ended.progress)
    assert run_inline(blind, cancel_after=0).status is AsyncJobStatus.CANCELLED


def test_what_fails_because_it_was_cancelled_is_cancelled() -> None:
    """The first cause wins, as in a worker."""

    def clumsy(job: JobContext) -> None:
        job.token.wait()
        raise ValueError("the work was interrupted")

    ended = run_inline(clumsy, cancel_after=5)

    assert (AsyncJobStatus.CANCELLED, Reason.CANCELLED) == (ended.status, ended.reason)


def test_a_shield_holds_the_cancel_up() -> None:
    """What was written under it counts, as in an apply."""
    clock = FakeClock()

    def writes(job: JobContext) -> str:
        with job.shield():
            clock.advance(60)
        clock.advance(60)
        return "written"

    ended = run_inline(writes, cancel_after=90, timeout=500, clock=clock)

    assert (AsyncJobStatus.SUCCEEDED, "written") == (ended.status, ended.result)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StepFailedError("step 2 failed"), Reason.STEP_FAILED),
        (BadPayloadError("a folder is needed"), Reason.BAD_PAYLOAD),
        (ApplyConflictError([("both", "a.py")]), Reason.CONFLICT),
        (ValueError("no"), Reason.HANDLER_ERROR),
        (SystemExit(), Reason.EXITED),
        (SystemExit(256), Reason.EXITED),
        (SystemExit("a message"), Reason.EXITED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_end_has_the_reason_of_a_real_one(error: BaseException, reason: Reason) -> None:
    """With the words of the error, and what it keeps as a result."""
    if not isinstance(error, SystemExit):
        error.result = {"kept": True}  # pyright: ignore[reportAttributeAccessIssue]

    def fails(_job: JobContext) -> None:
        raise error

    ended = run_inline(fails)

    assert (AsyncJobStatus.FAILED, reason) == (ended.status, ended.reason)
    assert (None if isinstance(error, SystemExit) else {"kept": True}) == ended.result
    assert ended.error


def test_a_type_error_of_the_handler_is_in_its_own_words() -> None:
    """It is no word about the result, which has to be JSON, too."""

    def raises(_job: JobContext) -> None:
        raise TypeError("a number is no folder")

    def reports(job: JobContext) -> None:
        job.progress(object())

    def returns(_job: JobContext) -> JSON:
        return object()

    assert [
        "TypeError: a number is no folder",
        "TypeError: Type is not JSON serializable: object",
        "TypeError: the result is not JSON: Type is not JSON serializable: object",
    ] == [run_inline(handler).error for handler in (raises, reports, returns)]


def test_ctrl_c_in_a_handler_ends_the_test() -> None:
    """It is the person at the keyboard who pressed it."""

    def interrupted(_job: JobContext) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_inline(interrupted)


@pytest.mark.slow
def test_inline_and_for_real_are_the_same(home: Home) -> None:
    """The same handlers with the same payloads: status, reason, result and words, by a worker and inline."""
    cases: dict[str, JSON] = {
        "noop": None,
        "echo": {"a": [1, 2.5, None, "ü"]},
        "raise": {"message": "no"},
        "unserialisable": None,
    }
    phases = registered()
    supervisor = Supervisor(home).start()
    try:
        with home.connect() as client:
            real = {
                name: client.wait(client.enqueue(name, payload=payload).job_id, timeout=60)
                for name, payload in cases.items()
            }
    finally:
        supervisor.stop()

    inline = {name: run_inline(load_handler(phases[name]), payload) for name, payload in cases.items()}

    assert {name: (job.status, job.reason, job.error) for name, job in real.items()} == {
        name: (end.status, end.reason, end.error) for name, end in inline.items()
    }


# -- stores -----------------------------------------------------------------------------------------


def test_a_temporary_store_has_the_time_of_the_clock_and_goes_away() -> None:
    """And no time of the clock stays in this process."""
    clock = FakeClock()
    with temporary_store(clock=clock) as client:
        job = client.enqueue("noop")
        clock.advance(3600)
        outcome = client.cancel(job.job_id)
        root = client.state.root
        assert "2026-01-01T00:00:00.000000Z" == job.created_at
        assert "2026-01-01T01:00:00.000000Z" == outcome.job.finished_at

    assert not root.exists()
    with temporary_store() as client:
        assert client.enqueue("noop").created_at > "2026-01-02"


def test_a_temporary_store_heeds_only_the_settings_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of whoever runs the tests."""
    monkeypatch.setenv("AGENTS_ASYNC_MAX_WORKERS", "77")
    with temporary_store() as client:
        assert 4 == client.settings.max_workers
    with temporary_store(settings=load_settings()) as client:
        assert 77 == client.settings.max_workers


@pytest.mark.slow
def test_what_is_queued_is_run_by_a_real_worker() -> None:
    """In processes of their own; what was not queued before is not waited for."""
    with temporary_store() as client:
        first = client.enqueue("echo", payload="one")
        client.enqueue("noop", after=first.job_id)
        newest, oldest = run_queued(client)

        assert [AsyncJobStatus.SUCCEEDED] * 2 == [newest.status, oldest.status]
        assert first.job_id == oldest.job_id
        assert os.getpid() != oldest.pid


@pytest.mark.slow
@pytest.mark.parametrize("patience", [10.0, 0.0], ids=["ended", "killed"])
def test_a_worker_that_takes_too_long_is_ended_with_its_jobs(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """The error says so, and nothing is left, however the worker had to be ended."""
    monkeypatch.setattr(stores, "_PATIENCE", patience)
    with temporary_store() as client:
        job = client.enqueue("sleep", payload={"seconds": 600})
        with pytest.raises(WaitTimeoutError, match="did not end within 2 s"):
            run_queued(client, timeout=2)
        left = client.get(job.job_id).status
        assert left is not AsyncJobStatus.SUCCEEDED
        assert left is not AsyncJobStatus.RUNNING or not patience, "with time for it, the end is written"
    assert "Traceback" not in capfd.readouterr().err


def test_a_context_has_the_timeout_it_is_given() -> None:
    """A handler may plan by it."""
    with job_context(timeout=5) as job:
        assert 5 == job.job.timeout
        assert job.run([sys.executable, "-c", ""]).ok
