"""Every way to die, each with a reason that a person understands: what, who, when, why, and the last words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from support.operator import Operator
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.model import AsyncJob, Reason

Start = Callable[..., Supervisor]
Begin = Callable[..., AsyncJob]

NATIVE_CRASH = (
    "import ctypes\ndef into_the_void():\n    ctypes.string_at(0)\nprint('before')\ninto_the_void()"
)
NATIVE_HANG = "def count():\n    return sum(range(10**12))\nprint('before', flush=True)\ncount()"
QUIET_HANG = "import time\ndef nap():\n    while True:\n        try:\n            time.sleep(600)\n        except BaseException:\n            pass\nnap()"
SHOUT = "while True:\n    print('x' * 1000)"
SPIN = "while True:\n    pass"


class Death(NamedTuple):
    """One way to die, without anybody's help."""

    phase: str
    payload: Any
    reason: Reason
    error: str
    """What the sentence says."""
    stages: tuple[str, ...] = ()
    stack: str = ""
    last: str = ""
    settings: Mapping[str, object] = MappingProxyType({})


DEATHS = {
    "exit code": Death("exit", {"code": 3}, Reason.EXITED, "ended with exit code 3 and without a result"),
    "exception": Death("raise", {"message": "no such key"}, Reason.HANDLER_ERROR, "ValueError: no such key", last="no such key"),
    "crash": Death("snippet", {"code": NATIVE_CRASH}, Reason.SIGNALLED,
        "SIGSEGV (a crash in native code, which touched memory that it may not), at ", stack="into_the_void", last="before"),
    "signal": Death("crash", {}, Reason.SIGNALLED, "ended by SIGKILL (agentsd did not send it)", last="the last line before"),
    "timeout, obeyed": Death("cooperative", {}, Reason.TIMEOUT, "its timeout of 0.3 s; it ended when it was asked to", ("TERM",)),
    "timeout, in native code": Death("snippet", {"code": NATIVE_HANG}, Reason.TIMEOUT,
        "was killed at snippet.py, line 2, in count", ("TERM", "KILL"), stack="in count", last="before"),
    "timeout, ignored": Death("snippet", {"code": QUIET_HANG}, Reason.TIMEOUT,
        "did not end when it was asked to, and was killed at snippet.py", ("TERM", "KILL"), stack="in nap"),
    "bad payload": Death("snippet", None, Reason.HANDLER_ERROR, "TypeError"),
    "output": Death("snippet", {"code": SHOUT}, Reason.OUTPUT_LIMIT, "async.log_limit", ("TERM",), last="xxx", settings={"log_limit": "64 KiB", "job_timeout": 60}),
    "CPU time": Death("snippet", {"code": SPIN}, Reason.SIGNALLED, "more than its 1 s of CPU (async.cpu_limit)", stack="", settings={"cpu_limit": "1 s", "job_timeout": 60}),
    "memory": Death("snippet", {"code": "b'x' * 2**31"}, Reason.HANDLER_ERROR, "512.0 MiB: async.memory_limit", settings={"memory_limit": "512 MiB", "job_timeout": 60}),
}  # fmt: skip


@pytest.mark.parametrize("name", DEATHS)
def test_a_job_that_dies_says_how(client: Client, operator: Operator, start: Start, name: str) -> None:
    """The row has the reason and a sentence, the event the ladder, the stack and the last lines; `explain` tells."""
    death = DEATHS[name]
    start(**{"job_timeout": "0.3 s", "cancel_grace": "0.3 s", **death.settings})
    job = client.wait(client.enqueue(death.phase, payload=death.payload).job_id, timeout=30)
    last = client.events(job.job_id)[-1]
    told = operator.run("job", "explain", job.job_id).stdout

    assert (job.reason, last.reason) == (death.reason, death.reason)
    assert death.error in (job.error or "")
    assert death.stages == tuple(stage["stage"] for stage in last.detail.get("ladder", []))
    assert death.stack in last.detail.get("stack", "")
    assert bool(death.stack) == bool(last.detail.get("stack"))
    assert death.last in last.detail.get("last_lines", "")
    assert last.by
    assert job.finished_at == last.at
    assert death.error in told
    assert death.last in told
