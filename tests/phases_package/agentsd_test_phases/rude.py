"""Phases that meddle with what is not theirs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, NoReturn

from agentsd_test_phases import options

if TYPE_CHECKING:
    from agentsd import JobContext


def scribble(job: JobContext) -> str:
    """Write rubbish into every descriptor that is open beyond the standard ones."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.write(int(name), b"rubbish" * 100)
    return "scribbled"


def close_all(job: JobContext) -> str:
    """Close every descriptor that there is."""
    os.closerange(0, 4096)
    return "closed"


def sys_exit(job: JobContext) -> NoReturn:
    """Leave with ``sys.exit(code)``."""
    raise SystemExit(options(job)["code"])


def kill_parent(job: JobContext) -> NoReturn:
    """SIGKILL the spawner, and wait for what follows."""
    os.kill(os.getppid(), signal.SIGKILL)
    while True:
        time.sleep(600)
