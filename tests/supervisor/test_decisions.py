"""Decisions of the supervisor that need no process: verdicts, deaths, timers, exit codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentsd.clock import utc_now
from agentsd.errors import ExitCode
from agentsd.model import AsyncJob, AsyncJobStatus, Reason, Worker
from agentsd.store.claims import CancelRequest
from agentsd.supervisor.outcome import exit_code_for
from agentsd.supervisor.output import last_lines
from agentsd.supervisor.reaper import Reaper
from agentsd.supervisor.running import RunningJob
from agentsd.supervisor.timers import Timers
from agentsd.supervisor.verdict import verdict
from agentsd.workers.frames import Kind
from agentsd.workers.identity import Identity
from agentsd.workers.output import cut_logs

JOB = AsyncJob(
    job_id="J", plan_id="J", phase="noop", status=AsyncJobStatus.RUNNING, payload_json="{}", schema_version=1,
    created_at=utc_now(), worker_id="W",
)  # fmt: skip
RESULT = (Kind.RESULT, {"result": 1, "token": ""})
LATE_RESULT = (Kind.RESULT, {"result": 1, "token": "timeout"})
ERROR = (Kind.ERROR, {"error": "ValueError: x", "reason": "handler_error", "result": None})
CANCELLED = (Kind.CANCELLED, {"reason": "cancelled", "result": {"kind": "partial"}})


@pytest.mark.parametrize(
    ("frame", "facts", "status", "reason"),
    [
        (RESULT, {"exit_code": 0}, "succeeded", "completed"),
        (RESULT, {"exit_code": 0, "cause": "timeout"}, "succeeded", "completed"),
        (RESULT, {}, "succeeded", "completed"),
        (RESULT, {"exit_code": 3}, "failed", "exited"),
        (RESULT, {"signal": "SIGSEGV"}, "failed", "signalled"),
        (RESULT, {"signal": "SIGKILL", "cause": "timeout"}, "succeeded", "completed"),
        (LATE_RESULT, {"exit_code": 0}, "failed", "timeout"),
        (ERROR, {"exit_code": 1}, "failed", "handler_error"),
        (ERROR, {"exit_code": 1, "cause": "cancelled"}, "cancelled", "cancelled"),
        (CANCELLED, {"exit_code": 1, "cause": "shutdown"}, "failed", "interrupted"),
        (CANCELLED, {"exit_code": 1}, "cancelled", "cancelled"),
        (None, {"exit_code": 0}, "failed", "exited"),
        (None, {"signal": "SIGKILL", "cause": "timeout"}, "failed", "timeout"),
        (None, {"signal": "SIGKILL", "cause": "output_limit"}, "failed", "output_limit"),
        (None, {"signal": "SIGKILL", "cause": "worker_lost"}, "failed", "worker_lost"),
        (None, {"signal": "SIGKILL"}, "failed", "signalled"),
        (None, {"signal": "SIGALRM"}, "failed", "timeout"),
    ],
)
def test_the_first_cause_wins_and_a_result_that_came_is_kept(
    frame: tuple[Kind, dict[str, Any]] | None, facts: dict[str, Any], status: str, reason: str
) -> None:
    """Every way in which frame, exit status and ladder can meet."""
    ending = verdict(running(frame, facts), max_attempts=1, rerun_safe=False)

    assert (status, reason) == (ending.status, ending.reason)
    assert (ending.error is None) == (status == "succeeded")
    assert ending.successor is None


def running(frame: tuple[Kind, dict[str, Any]] | None, facts: dict[str, Any]) -> RunningJob:
    """A job that has ended with *facts*, its last frame being *frame*."""
    job = RunningJob(job=JOB, order_body=b"", handler="", timeout=2.0, rerun_safe=True)
    job.last_frame, job.ended = frame, facts
    return job


def test_a_verdict_keeps_what_explains_it() -> None:
    """Who cancelled and why, the ladder, a partial result."""
    job = running(CANCELLED, {"cause": "cancelled", "stages": [{"stage": "TERM", "at": "now"}]})
    job.cancel = CancelRequest("J", "me@here", "wrong branch", None)
    ending = verdict(job, max_attempts=1, rerun_safe=False)

    assert "Cancelled by me@here: wrong branch." == ending.error
    assert '{"kind":"partial"}' == ending.result
    assert {
        "ladder": [{"stage": "TERM", "at": "now"}],
        "cancelled_by": "me@here",
        "why": "wrong branch",
    } == ending.detail


def test_a_broken_frame_is_said() -> None:
    """Somebody wrote into the channel: the job has no result, and says why."""
    job = running(None, {"exit_code": 0})
    job.frame_problem = "a wrong checksum"

    assert "a wrong checksum" in (verdict(job, max_attempts=1, rerun_safe=True).error or "")


@pytest.mark.parametrize(
    ("frame", "facts", "limits", "words"),
    [
        (ERROR, {"oom_kills": 1}, {}, "The kernel has killed processes of it because memory ran out"),
        ((Kind.ERROR, {"reason": "handler_error", "error": "MemoryError", "result": None}), {}, {"memory": 2**20}, "may have 1.0 MiB"),
        (None, {"signal": "SIGKILL", "oom_kills": 1, "max_rss_bytes": 2**20}, {}, "memory"),
    ],
)  # fmt: skip
def test_want_of_memory_is_told(
    frame: tuple[Kind, dict[str, Any]] | None, facts: dict[str, Any], limits: dict[str, int], words: str
) -> None:
    """Whether the kernel has counted a kill, or a limit is what an allocation met."""
    job = running(frame, {"exit_code": 1, **facts})
    job.limits = limits

    assert words in (verdict(job, max_attempts=1, rerun_safe=False).error or "")


@pytest.mark.parametrize(
    ("facts", "max_attempts", "rerun_safe", "attempt"),
    [
        ({"signal": "SIGKILL"}, 1, True, None),
        ({"signal": "SIGKILL"}, 2, True, 2),
        ({"cause": "shutdown"}, 1, True, 1),
        ({"cause": "shutdown"}, 3, False, None),
        ({"cause": "cancelled"}, 3, True, None),
    ],
)
def test_who_gets_a_successor(
    facts: dict[str, Any], max_attempts: int, rerun_safe: bool, attempt: int | None
) -> None:
    """An interrupted job keeps its attempt; another failure counts; a cancel is final."""
    ending = verdict(running(None, facts), max_attempts=max_attempts, rerun_safe=rerun_safe)

    assert attempt == (ending.successor.attempt if ending.successor else None)


def test_attempts_run_out() -> None:
    """A poison job ends."""
    job = running(None, {"signal": "SIGKILL"})
    job.job = replace(JOB, attempt=3)

    assert verdict(job, max_attempts=3, rerun_safe=True).successor is None


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (AsyncJobStatus.SUCCEEDED, Reason.COMPLETED, ExitCode.OK),
        (AsyncJobStatus.FAILED, Reason.STEP_FAILED, ExitCode.ERROR),
        (AsyncJobStatus.FAILED, Reason.TIMEOUT, ExitCode.TIMED_OUT),
        (AsyncJobStatus.FAILED, Reason.CONFLICT, ExitCode.CONFLICT),
        (AsyncJobStatus.CANCELLED, Reason.CANCELLED, ExitCode.CANCELLED),
    ],
)
def test_exit_codes(status: AsyncJobStatus, reason: Reason, code: ExitCode) -> None:
    """What a command that waited for a job exits with."""
    assert code == exit_code_for(replace(JOB, status=status, reason=reason))


# -- who is dead ------------------------------------------------------------------------------------


def row(beat: int = 0, ttl: float = 10.0, **changes: Any) -> Worker:
    """The row of a supervisor on another host, unless *changes* say otherwise."""
    values: dict[str, Any] = {
        "worker_id": "OTHER", "host": "elsewhere", "boot_id": "b", "pid_namespace": "n", "pid": 1, "pid_start": 1,
        "uid": 0, "state": "running", "max_workers": 1, "ttl": ttl, "beat": beat, "started_at": "", "version": "",
        "last_heartbeat": "", "jobs_processed": 0, "running": 0, "socket_path": None, "spawner_pid": None,
    }  # fmt: skip
    return Worker(**{**values, **changes})


def test_a_beat_that_moves_is_life_whatever_the_clocks_say() -> None:
    """Only the counter counts, seen in the reaper's own time."""
    reaper = Reaper("ME", ttl=10)

    assert [] == [dead for beat in range(10) for dead in reaper.observe([row(beat)], now=beat * 19.0)]


def test_silence_is_death_after_the_larger_ttl_and_one_more_where_it_cannot_be_verified() -> None:
    """On another host its processes cannot be ended from here: it gets the time to do it itself."""
    reaper = Reaper("ME", ttl=10)
    reaper.observe([row(ttl=15.0)], now=100)
    assert [] == reaper.observe([row(ttl=15.0)], now=129.9)

    (dead,) = reaper.observe([row(ttl=15.0)], now=130)
    assert (False, Reason.STUCK) == (dead.gone, dead.reason)
    assert "silent for longer than 15 s" in dead.sentence


def test_a_gap_in_the_own_loop_voids_all_observations() -> None:
    """After a suspend the reaper starts to observe anew."""
    reaper = Reaper("ME", ttl=10)
    reaper.observe([row()], now=0)
    reaper.forget()

    assert [] == reaper.observe([row()], now=1000)
    assert [] == reaper.observe([row()], now=1019)
    assert 1 == len(reaper.observe([row()], now=1020))


def test_silence_counts_only_up_to_the_own_last_beat() -> None:
    """The other one was stopped for six seconds, went on, and now nobody can write: it is not dead at ten.

    On another host, so that twice the TTL has to pass.
    """
    reaper = Reaper("ME", ttl=5)
    reaper.observe([row(ttl=5.0)], now=0, wrote=0)

    assert [] == reaper.observe([row(ttl=5.0)], now=10, wrote=6.5)
    assert [] == reaper.observe([row(1, ttl=5.0)], now=12, wrote=11.9)
    assert 1 == len(reaper.observe([row(1, ttl=5.0)], now=22.1, wrote=22))


def test_who_is_in_the_way_of_all_writing_is_silent_meanwhile_too() -> None:
    """Stopped in a transaction: nobody else's silence counts, but that one's does."""
    reaper = Reaper("ME", ttl=5)
    others = [row(ttl=5.0), row(ttl=5.0, worker_id="THIRD")]
    reaper.observe(others, now=0, wrote=0)
    reaper.forget(all_but="OTHER")

    dead = reaper.observe(others, now=10, wrote=0, in_the_way="OTHER")
    assert ["OTHER"] == [each.worker.worker_id for each in dead]
    assert [] == reaper.observe(others, now=11, wrote=0)


def test_a_process_that_is_provably_gone_is_dead_at_once() -> None:
    """Same boot and pid namespace, and no such process; the own row is never judged."""
    me = Identity.current()
    here: dict[str, Any] = {
        "host": "here",
        "boot_id": me.boot_id,
        "pid_namespace": me.pid_namespace,
        "pid": me.pid,
    }
    alive, gone = row(pid_start=me.start, **here), row(pid_start=me.start - 1, **here)

    assert [] == Reaper("ME", 10).observe([alive], now=0)
    assert [True] == [dead.gone for dead in Reaper("ME", 10).observe([gone], now=0)]
    assert [] == Reaper("OTHER", 10).observe([gone], now=0)


# -- timers and output ------------------------------------------------------------------------------


def test_timers_run_when_due_once_and_can_be_moved_and_cancelled() -> None:
    """A name has one timer; a cancelled one never runs."""
    calls: list[str] = []
    timers = Timers()
    assert timers.patience() is None
    timers.set("a", 60, lambda: calls.append("late"))
    assert 59 < (timers.patience() or 0) <= 60
    timers.set("a", 0, lambda: calls.append("a"))
    timers.set("b", 0, lambda: calls.append("b"))
    timers.cancel("b")
    timers.cancel("never set")
    timers.run_due()
    timers.run_due()

    assert ["a"] == calls
    assert timers.patience() is None


def test_last_lines_come_whole_from_the_newest_file(tmp_path: Path) -> None:
    """A tail that begins inside a line drops it; bytes that are no text are shown as such."""
    (tmp_path / "job.log").write_bytes(b"x" * 5000 + b"\nlast\xff line\nend")
    (tmp_path / "empty.log").touch()

    assert "last\ufffd line\nend" == last_lines(tmp_path)
    assert "" == last_lines(tmp_path / "nowhere")
    (tmp_path / "job.log").write_bytes(b"y" * 5000)
    assert 2000 == len(last_lines(tmp_path))


def test_output_is_cut_to_the_limit(tmp_path: Path) -> None:
    """The largest file first, and no more than needed."""
    (tmp_path / "job.log").write_bytes(b"x" * 100)
    (tmp_path / "01-step.log").write_bytes(b"x" * 1000)
    (tmp_path / "02-step.log").write_bytes(b"x" * 10)
    cut_logs(str(tmp_path), 50)
    cut_logs(str(tmp_path / "nowhere"), 50)

    assert 50 == sum(path.stat().st_size for path in tmp_path.glob("*.log"))
    assert 10 == (tmp_path / "02-step.log").stat().st_size
