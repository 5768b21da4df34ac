"""What a user's program looks like to a type checker. Nothing here is run: `test_typing.py` has it checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

import agentsd
from agentsd import (
    AsyncJob,
    AsyncJobStatus,
    CancellationToken,
    CancelOutcome,
    Client,
    JobContext,
    JobEvent,
    JobInfo,
    Reason,
    ToolResult,
    Wishes,
)
from agentsd.errors import AgentsError, ConflictError, ExitCode, JobCancelled, NotFoundError
from agentsd.supervisor.worker import AsyncWorker
from agentsd.testing import (
    FakeClock,
    FakeToken,
    InlineEnd,
    job_context,
    run_inline,
    run_queued,
    temporary_store,
)


def use(client: Client) -> None:
    """Everything that a client gives has a type."""
    with agentsd.connect() as same:
        assert_type(same, Client)
    wishes: Wishes = {"priority": 1, "timeout": 2.5, "hold": False, "after": None, "key": "nightly"}
    job = client.enqueue("resize", payload={"paths": ["a.png"]}, priority=3, timeout=60, key="nightly")
    assert_type(job, AsyncJob)
    assert_type(client.enqueue("resize", **wishes), AsyncJob)
    assert_type(client.enqueue_once("resize"), tuple[AsyncJob, bool])
    assert_type(client.enqueue_many("resize", [({"a": 1}, wishes), (None, {})]), list[tuple[AsyncJob, bool]])
    assert_type(client.get("id"), AsyncJob)
    assert_type(client.list(statuses=["queued"], plan_id=None, limit=5), list[AsyncJob])
    assert_type(client.list(statuses=[AsyncJobStatus.QUEUED]), list[AsyncJob])
    assert_type(client.events("id"), list[JobEvent])
    assert_type(client.wait("id", timeout=1.5, on_change=look_at), AsyncJob)
    assert_type(client.cancel("id", reason="why", force=True), CancelOutcome)
    assert_type(client.cancel("id").acknowledged, bool)
    assert_type(client.cancel_many(["id"], reason="why"), list[CancelOutcome | AgentsError])
    assert_type(client.retry("id"), AsyncJob)
    assert_type(client.hold("id"), AsyncJob)
    assert_type(client.set_priority("id", 3), AsyncJob)


def look_at(job: AsyncJob) -> None:
    """A job's fields."""
    assert_type(job.status, AsyncJobStatus)
    assert_type(job.status.is_terminal, bool)
    assert_type(job.reason, Reason | None)
    assert_type(job.started_at, str | None)
    assert_type(job.timeout, float | None)
    assert_type(job.max_rss_bytes, int | None)


def look_at_event(event: JobEvent) -> None:
    """An event's fields."""
    assert_type(event.at, str)
    assert_type(event.to_status, str | None)
    assert_type(event.detail, Mapping[str, Any])


def handler(job: JobContext) -> dict[str, int]:
    """A handler's context."""
    assert_type(job.job, JobInfo)
    assert_type(job.job.timeout, float)
    assert_type(job.token, CancellationToken)
    assert_type(job.token.wait(2.5), bool)
    assert_type(job.token.reason, str)
    assert_type(job.log_dir, Path)
    job.progress({"done": 1})
    ended = job.run(["ls", "-l"], cwd=Path("/"), env={"A": "b"}, timeout=1, output=job.log_dir / "ls")
    assert_type(ended, ToolResult)
    assert_type(ended.exit_code, int | None)
    assert_type(ended.ok, bool)
    with job.shield():
        return {"done": 1}


def in_tests() -> None:
    """The helpers for tests."""
    clock = FakeClock()
    assert_type(clock.elapsed, float)
    ended = run_inline(handler, {"a": 1}, timeout=5, cancel_after=2.5, clock=clock)
    assert_type(ended, InlineEnd)
    assert_type(ended.status, AsyncJobStatus)
    assert_type(ended.reason, Reason)
    with job_context(token=FakeToken(clock)) as job:
        assert_type(job, JobContext)
    with temporary_store(clock=clock) as client:
        assert_type(client, Client)
        assert_type(run_queued(client), list[AsyncJob])


def errors(client: Client, worker: AsyncWorker) -> ExitCode:
    """Errors have exit codes; a cancel is no Exception."""
    worker.on_shutdown(lambda: None)
    assert_type(worker.run(), int)
    try:
        client.get("id")
    except (NotFoundError, ConflictError) as error:
        return error.exit_code
    except AgentsError as error:
        assert_type(error.exit_code, ExitCode)
    except JobCancelled:
        raise
    return ExitCode.OK
