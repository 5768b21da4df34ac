"""Helpers for testing handlers without a supervisor."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import orjson

from agentsd.model import JSON
from agentsd.store.paths import StateDir
from agentsd.workers.context import JobContext, JobInfo, PlanOrder
from agentsd.workers.token import CancellationToken


@contextmanager
def temporary_state() -> Generator[StateDir]:
    """A state directory that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="agentsd-") as directory:
        yield StateDir(Path(directory))


@contextmanager
def job_context(
    payload: JSON = None,
    *,
    phase: str = "test",
    plan: PlanOrder | None = None,
    token: CancellationToken | None = None,
    on_progress: Callable[[JSON], None] = lambda _value: None,
) -> Generator[JobContext]:
    """A context to call a handler with, in this process: ``handler(context)``.

    Its *payload* goes through JSON as in a real job. Tools that the handler runs are real.
    """
    with temporary_state() as state:
        log_dir = state.job_logs("test")
        log_dir.mkdir(parents=True)
        yield JobContext(
            job=JobInfo("0" * 26, "0" * 26, phase, 1, 60.0),
            payload=orjson.loads(orjson.dumps(payload)),
            plan=plan,
            state_root=state.root,
            log_dir=log_dir,
            options={"sandbox_base": "worktree", "sandbox_cleanup": "on_apply"},
            grace=10.0,
            _token=token or CancellationToken(),
            _report=lambda value: on_progress(orjson.loads(orjson.dumps(value))),
            _set_shield=lambda _on: None,
        )
