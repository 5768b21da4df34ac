"""Every way to die, each with a reason that a person understands: what, who, when, why, and the last words."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from support.home import Home
from support.operator import Operator
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.model import AsyncJob, Reason
from agentsd.store.jobs import NewJob, insert

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
    "signal": Death("crash", {}, Reason.SIGNALLED, "ended by SIGKILL (agentsd did not send it: somebody on this machine did, or the kernel)", last="the last line before"),
    "signal without a name": Death("snippet", {"code": "import os; os.kill(os.getpid(), 40)"}, Reason.SIGNALLED, "ended by SIG40."),
    "timeout, obeyed": Death("cooperative", {}, Reason.TIMEOUT, "its timeout of 0.3 s; it ended when it was asked to", ("TERM",)),
    "timeout, in native code": Death("snippet", {"code": NATIVE_HANG}, Reason.TIMEOUT,
        "was killed at snippet.py, line 2, in count", ("TERM", "KILL"), stack="in count", last="before"),
    "timeout, ignored": Death("snippet", {"code": QUIET_HANG}, Reason.TIMEOUT,
        "did not end when it was asked to, and was killed at snippet.py", ("TERM", "KILL"), stack="in nap"),
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
    assert death.stack in operator.run("job", "show", job.job_id).stdout


def test_a_burial_loads_no_query_builder(client: Client, home: Home, begin: Begin, start: Start) -> None:
    """A supervisor lives for months: 6 MB that one death costs would stay for as long."""
    home.environ["PYTHONPROFILEIMPORTTIME"] = "1"  # it says of each module that it is loaded
    dead = start()
    job = begin("cooperative", {})
    dead.kill()
    living = start()
    ended = client.wait(job.job_id, timeout=30)

    assert ended.reason is Reason.WORKER_LOST
    assert "| agentsd.supervisor.reaper\n" in re.sub(" +", " ", living.said)
    assert "| peewee\n" not in re.sub(" +", " ", living.said)


def by_somebody(client: Client, begin: Begin, start: Start) -> AsyncJob:
    """Cancelled, with a reason."""
    start()
    job = begin("cooperative", {})
    client.cancel(job.job_id, reason="wrong branch")
    return job


def by_a_killed_worker(client: Client, begin: Begin, start: Start) -> AsyncJob:
    """Its worker is killed, and another one finds the row."""
    worker = start()
    job = begin("cooperative", {})
    worker.kill()
    start()
    return job


def by_a_killed_spawner(client: Client, begin: Begin, start: Start) -> AsyncJob:
    """The process above it is killed."""
    worker = start()
    job = begin("cooperative", {})
    os.kill(worker.spawner_pid, signal.SIGKILL)
    return job


def by_a_silent_worker(client: Client, begin: Begin, start: Start) -> AsyncJob:
    """Its worker is stopped for longer than the TTL, and another one is awake."""
    worker = start(job_ttl="1 s")
    job = begin("cooperative", {})
    worker.freeze()
    start()
    return job


def by_a_shutdown(client: Client, begin: Begin, start: Start) -> AsyncJob:
    """Its worker is told twice to stop."""
    worker = start()
    job = begin("cooperative", {})
    worker.process.send_signal(signal.SIGTERM)
    worker.process.send_signal(signal.SIGINT)
    worker.process.wait(20)
    return job


def by_its_payload(client: Client, begin: Begin, start: Start) -> AsyncJob:
    """Its phase was uninstalled after it was queued."""
    start()
    with client.db.write() as tx:
        return insert(tx, NewJob(phase="uninstalled"))


BY_OTHERS: dict[Callable[..., AsyncJob], tuple[Reason, str]] = {
    by_somebody: (Reason.CANCELLED, "Cancelled by {me}: wrong branch."),
    by_a_killed_worker: (Reason.WORKER_LOST, "that ran it is gone"),
    by_a_killed_spawner: (Reason.WORKER_LOST, "ended by SIGKILL) died, and the job with it."),
    by_a_silent_worker: (Reason.STUCK, "has been silent for longer than 1 s"),
    by_a_shutdown: (
        Reason.INTERRUPTED,
        "Its worker was shut down before the job was done; it ended when it was asked to.",
    ),
    by_its_payload: (Reason.BAD_PAYLOAD, "No installed package registers the phase 'uninstalled'"),
}


@pytest.mark.parametrize("death", BY_OTHERS, ids=lambda death: death.__name__)
def test_a_job_that_others_end_says_who(
    client: Client, operator: Operator, begin: Begin, start: Start, death: Callable[..., AsyncJob]
) -> None:
    """Whoever reads the row, its last event or `explain` finds who did it, when and why."""
    reason, sentence = BY_OTHERS[death]
    job = death(client, begin, start)
    ended = eventually(lambda: _if_ended(client, job), 30, "the row ends")
    last = client.events(job.job_id)[-1]
    told = operator.run("job", "explain", job.job_id).stdout

    expected = sentence.format(me=client.events(job.job_id)[0].by)
    assert (reason, reason) == (ended.reason, last.reason)
    assert expected in (ended.error or "")
    assert expected in told
    assert last.by
    assert ended.finished_at == last.at


def test_a_job_that_its_worker_gives_up_blames_no_spawner(
    client: Client, begin: Begin, start: Start, home: Home
) -> None:
    """Others have called it lost: it ends its jobs and itself, and says why in its log."""
    worker = start(job_ttl="2 s")
    job = begin("cooperative", {})
    home.sql("UPDATE workers SET state = 'lost', ended_at = started_at, end_reason = 'stuck'")

    assert worker.process.wait(20) == 1
    ended = client.get(job.job_id)
    assert ended.error == "Its worker could not go on and ended it; the worker's log says why."
    assert "Another worker has declared this one lost" in worker.said


def _if_ended(client: Client, job: AsyncJob) -> AsyncJob | None:
    found = client.get(job.job_id)
    return found if found.status.is_terminal else None


# -- what `explain` says of a job that has not ended --------------------------------------------------


def test_a_job_that_waits_for_a_slot_is_told_who_has_it(
    client: Client, operator: Operator, begin: Begin, start: Start
) -> None:
    """All slots by name, and how many jobs come first; a job that is held does not count."""
    start(max_workers=1)
    running = begin("cooperative", {})
    first = client.enqueue("noop")
    client.hold(client.enqueue("noop").job_id)
    last = client.enqueue("noop")
    told = operator.run("job", "explain", last.job_id).stdout

    assert "1 of 1 are taken, and 1 job of the queue come" in told
    assert f"These run now: {running.job_id} (cooperative, for " in told
    assert first.job_id not in told


def test_a_worker_that_writes_nothing_is_told(client: Client, operator: Operator, start: Start) -> None:
    """Stopped, or before a full disk: from outside it looks the same, and the room on the disk is told."""
    worker = start(job_ttl="1 s")
    worker.freeze()
    job = client.enqueue("noop")

    def told() -> str:
        said = operator.run("job", "explain", job.job_id).stdout
        return said if "has written nothing for" in said else ""

    assert "are free there) and has paused until it can" in eventually(told, 20, "it is told")


def test_what_a_cancel_would_hit_is_shown(
    client: Client, operator: Operator, begin: Begin, start: Start
) -> None:
    """The process of a running job and all below it, by pid, state and title."""
    start()
    job = begin("tree", {"then": "hold"}, progress=True)
    answer = operator.ask("job", "explain", job.job_id).data
    pids = json.loads(job.progress or "")["pids"].values()
    shown = {each["pid"]: each["title"] for each in answer["processes"]}

    assert set(pids) == set(shown)
    assert f"A cancel would end these {len(shown)} processes:" in answer["explanation"]
    assert shown[job.pid or 0].startswith(f"agents job {job.job_id} tree")
    assert sum("sleep 600" in title for title in shown.values()) == 3
