"""One job in the process of the test: its handler is called, and the verdict is a real supervisor's."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from agentsd.clock import utc_now
from agentsd.errors import JobCancelled
from agentsd.model import JSON, AsyncJob, AsyncJobStatus, Reason
from agentsd.store.claims import CancelRequest
from agentsd.supervisor.running import RunningJob
from agentsd.supervisor.verdict import verdict
from agentsd.testing.clock import FakeClock, FakeToken
from agentsd.testing.stores import temporary_state
from agentsd.workers.context import JobContext, JobInfo, PlanOrder
from agentsd.workers.failure import describe, kept_result
from agentsd.workers.frames import Kind
from agentsd.workers.token import CancellationToken

Handler = Callable[[JobContext], JSON]
GRACE = 10.0
"""Seconds between TERM and KILL, as ``async.cancel_grace`` has it; tools get half of it."""
_NO_ID = "0" * 26


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineEnd:
    """How a job ended that was run inline."""

    status: AsyncJobStatus
    reason: Reason
    result: JSON
    """What the handler returned, or what its error kept; it has been through JSON."""
    error: str | None
    """The sentence that ``agents job explain`` would say; None for a success."""
    progress: tuple[JSON, ...]
    """Everything that was reported, oldest first. A real store keeps the newest only."""


@contextmanager
def job_context(
    payload: JSON = None,
    *,
    phase: str = "test",
    plan: PlanOrder | None = None,
    timeout: float = 60.0,
    token: CancellationToken | None = None,
    on_progress: Callable[[JSON], None] = lambda _value: None,
) -> Generator[JobContext]:
    """A context to call a handler with, in this process: ``handler(context)``.

    Its *payload* goes through JSON as in a real job; *timeout* is seconds, which nobody enforces; without *token*
    nobody ever sets it. Tools that the handler runs are real. Raises TypeError for a payload that is not JSON.
    """
    with temporary_state() as state:
        log_dir = state.job_logs("test")
        log_dir.mkdir(parents=True)
        yield JobContext(
            job=JobInfo(_NO_ID, _NO_ID, phase, 1, timeout),
            payload=orjson.loads(orjson.dumps(payload)),
            plan=plan,
            options={"sandbox_base": "worktree", "sandbox_cleanup": "on_apply"},
            grace=GRACE,
            state_root=state.root,
            log_dir=log_dir,
            token=token or CancellationToken(),
            report=lambda value: on_progress(orjson.loads(orjson.dumps(value))),
            set_shield=lambda _on: None,
        )


def run_inline(
    handler: Handler,
    payload: JSON = None,
    *,
    phase: str = "test",
    plan: PlanOrder | None = None,
    timeout: float = 60.0,
    cancel_after: float | None = None,
    clock: FakeClock | None = None,
) -> InlineEnd:
    """Run *handler* as a job, here and now, and say how it ended: status, reason, result, error, progress.

    *timeout* and *cancel_after* (None: nobody cancels) are seconds of *clock* from now; without one the job has a
    fresh :class:`FakeClock`, so ``job.token.wait(60)`` takes no time. A handler that never lets the clock go on meets
    neither. It runs in this process: one that crashes or hangs takes the test with it. Raises TypeError for a payload
    that is not JSON. Any Exception of the handler becomes the verdict; KeyboardInterrupt and the like pass through.
    """
    token = FakeToken(clock)
    token.clock.at(token.clock.elapsed + timeout, lambda: token.set("timeout"))
    if cancel_after is not None:
        token.clock.at(token.clock.elapsed + cancel_after, token.set)
    progress: list[JSON] = []
    with job_context(
        payload, phase=phase, plan=plan, timeout=timeout, token=token, on_progress=progress.append
    ) as job:
        frame, exit_code = _attempt(handler, job, token)
    running = RunningJob(_row(phase, payload), b"", "inline", timeout, rerun_safe=False)
    running.last_frame = frame
    running.ended = {"exit_code": exit_code, "cause": token.reason}
    running.cancel = CancelRequest(_NO_ID, "the test", "", None)
    ending = verdict(running, max_attempts=1, rerun_safe=False)
    result = None if ending.result is None else orjson.loads(ending.result)
    return InlineEnd(
        status=ending.status,
        reason=ending.reason,
        result=result,
        error=ending.error,
        progress=tuple(progress),
    )


def _attempt(
    handler: Handler, job: JobContext, token: FakeToken
) -> tuple[tuple[Kind, dict[str, Any]] | None, int]:
    """What a job process would send before it exits, and its exit code."""
    try:
        with token.raising():
            token.raise_if_set()
            result = handler(job)
    except JobCancelled as cancelled:
        kind, message, code = Kind.CANCELLED, {"reason": str(cancelled), "result": kept_result(cancelled)}, 1
    except SystemExit as wish:
        return None, wish.code & 0xFF if isinstance(wish.code, int) else int(wish.code is not None)
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is a verdict
        kind, message, code = Kind.ERROR, describe(error), 1
    else:
        kind, message, code = Kind.RESULT, {"result": result, "token": token.reason}, 0
    try:
        return (kind, orjson.loads(orjson.dumps(message))), code
    except TypeError as error:
        return (Kind.ERROR, describe(TypeError(f"the result is not JSON: {error}"))), 1


def _row(phase: str, payload: JSON) -> AsyncJob:
    """The job as a store would have it while it runs."""
    return AsyncJob(
        job_id=_NO_ID, plan_id=_NO_ID, phase=phase, status=AsyncJobStatus.RUNNING,
        payload_json=orjson.dumps(payload).decode(), schema_version=1, created_at=utc_now(),
    )  # fmt: skip
