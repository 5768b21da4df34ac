"""Phases that end in an unusual way."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

from agentsd_test_phases import options

if TYPE_CHECKING:
    from agentsd import JobContext


def raise_error(job: JobContext) -> NoReturn:
    """Raise a ValueError, or ``kind``: SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError."""
    kinds = {
        kind.__name__: kind
        for kind in (ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError)
    }
    payload = options(job)
    raise kinds[payload.get("kind", "ValueError")](payload.get("message", "raised on purpose"))


def exit_now(job: JobContext) -> NoReturn:
    """Leave at once with ``code``, without a result and without any clean-up."""
    os._exit(job.payload["code"])


def crash(job: JobContext) -> None:
    """Say a last word, then send the own process ``signal`` (a name; default SIGKILL)."""
    print("the last line before the crash", flush=True)
    name = options(job).get("signal", "SIGKILL")
    os.kill(os.getpid(), signal.Signals[name])
