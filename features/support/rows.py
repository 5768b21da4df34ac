"""Rows of supervisors that a test makes up."""

from __future__ import annotations

import os
from typing import Any

from agentsd.clock import utc_now
from agentsd.model import Worker
from agentsd.workers.identity import Identity

WORKER_ID = f"01JWORKER{os.getpid()}"
"""Of a supervisor that is none. Another run of tests may end all that carries its own: not what carries this one."""


def worker_row(identity: Identity, **changes: Any) -> Worker:
    """The row of a supervisor that is the process *identity*."""
    values: dict[str, Any] = {
        "worker_id": WORKER_ID, "host": os.uname().nodename, "boot_id": identity.boot_id,
        "pid_namespace": identity.pid_namespace, "pid": identity.pid, "pid_start": identity.start, "uid": os.getuid(),
        "state": "running", "max_workers": 1, "ttl": 60.0, "beat": 0, "started_at": utc_now(), "version": "0",
        "last_heartbeat": utc_now(), "jobs_processed": 0, "running": 1, "socket_path": None, "spawner_pid": None,
    }  # fmt: skip
    return Worker(**{**values, **changes})
