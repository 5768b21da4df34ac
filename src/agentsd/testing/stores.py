"""Stores for tests: removed at the end, with a clock that a test moves, and a real worker on request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from agentsd.errors import WaitTimeoutError
from agentsd.model import AsyncJob
from agentsd.store import transaction
from agentsd.store.paths import StateDir
from agentsd.store.settings import Settings, load_settings
from agentsd.supervisor.client import Client, connect
from agentsd.testing.clock import FakeClock

_PATIENCE = 10.0
"""Seconds that a worker has to end its jobs."""
_STAGE = 0.5
"""Seconds of each stage of stopping it."""


@contextmanager
def temporary_state() -> Generator[StateDir]:
    """A state directory that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="agentsd-") as directory:
        yield StateDir(Path(directory))


@contextmanager
def temporary_store(*, settings: Settings | None = None, clock: FakeClock | None = None) -> Generator[Client]:
    """A client on an empty store of its own, which is removed at the end with everything in it.

    *settings*: None for the defaults, whatever this machine's configuration says. With *clock*, all times that this
    process writes into any store meanwhile are the clock's; a worker has its own. Raises StoreError.
    """
    chosen = settings if settings is not None else load_settings({}, Path(os.devnull))
    with ExitStack() as stack:
        state = stack.enter_context(temporary_state())
        if clock is not None:
            stack.enter_context(_times_of(clock))
        yield stack.enter_context(connect(state, chosen))


@contextmanager
def _times_of(clock: FakeClock) -> Generator[None]:
    """Every transaction of this process begins at the time that *clock* shows."""
    real = transaction.utc_now
    transaction.utc_now = lambda: clock.text
    try:
        yield
    finally:
        transaction.utc_now = real


def run_queued(client: Client, *, timeout: float = 60.0) -> list[AsyncJob]:
    """Let a real worker run everything that is queued in *client*'s store, and return the jobs, newest first.

    Each job runs in a process of its own, as in production: phases have to be installed, and a crash is a verdict. The
    worker ends when nothing is queued or runs any more; it has the environment of this process. Raises
    WaitTimeoutError after *timeout* seconds (worker and jobs are ended then).
    """
    command = [sys.executable, "-m", "agentsd", "worker", "start", "--drain", "--log-level", "error"]
    environ = {**os.environ, "AGENTS_STATE_DIR": str(client.state.root)}
    worker = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL)  # noqa: S603 - our own words
    try:
        worker.wait(timeout)
    except subprocess.TimeoutExpired:
        raise WaitTimeoutError("What was queued", timeout) from None
    finally:
        _end(worker)
    return client.list()


def _end(worker: subprocess.Popen[bytes]) -> None:
    """End a worker with its jobs, if it is still there: one stage of stopping after the other, and at last KILL."""
    deadline = time.monotonic() + _PATIENCE
    while worker.poll() is None and time.monotonic() < deadline:
        worker.send_signal(signal.SIGTERM)  # each is one stage more; the third kills the jobs
        with suppress(subprocess.TimeoutExpired):
            worker.wait(_STAGE)
    worker.kill()  # if it is still there: its spawner sees the end of their link, and ends the jobs
    worker.wait()
