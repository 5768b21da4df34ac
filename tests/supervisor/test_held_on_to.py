"""Processes of a job that its spawner cannot end or reap: they cost that job its slot, and nobody else anything."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
from support.operator import Operator
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.model import AsyncJob, AsyncJobStatus, Reason
from agentsd.workers.process import kill_identified
from agentsd.workers.sweep import sweep_round

Start = Callable[..., Supervisor]
Begin = Callable[..., AsyncJob]

_PTRACE_SEIZE = 0x4206  # linux/ptrace.h


@contextmanager
def debugged(pid: int) -> Generator[None]:
    """This process is a debugger on *pid* that does not look; afterwards it takes its exit status."""
    if ctypes.CDLL(None).ptrace(_PTRACE_SEIZE, pid, 0, 0) != 0:
        # Yama or a container may forbid what the test is about; the reason is printed (-ra).
        pytest.skip("no process may be traced here")
    try:
        yield
    finally:
        while not os.WIFEXITED(status := os.waitpid(pid, 0)[1]) and not os.WIFSIGNALED(status):
            pass


def test_a_debugger_on_one_job_holds_up_no_other(
    client: Client, begin: Begin, start: Start, operator: Operator
) -> None:
    """The kernel shows the dead process to its debugger first. Its spawner goes on, and tells why the job does not end."""
    start(cancel_grace="0.2 s")
    neighbour = begin("cooperative", {})
    job = begin("cooperative", {})
    assert job.pid is not None
    with debugged(job.pid):
        client.cancel(job.job_id)
        eventually(
            lambda: [e for e in client.events(job.job_id) if e.detail.get("event") == "unkillable"],
            20,
            "told",
        )
        after = client.wait(client.enqueue("echo", payload=1).job_id, timeout=20)
        held = client.get(job.job_id)
        explained = operator.run("job", "explain", job.job_id).stdout
    ended = client.wait(job.job_id, timeout=20)

    assert after.status is AsyncJobStatus.SUCCEEDED
    assert held.status is AsyncJobStatus.RUNNING
    assert "a debugger" in explained
    assert (ended.status, ended.reason) == (AsyncJobStatus.CANCELLED, Reason.CANCELLED)
    assert client.get(neighbour.job_id).status is AsyncJobStatus.RUNNING


def test_a_debugger_that_a_job_has_left_goes_with_it(client: Client, start: Start) -> None:
    """It is a process of the job like any other, although the job cannot be reaped before it is gone."""
    start()
    code = (
        "import ctypes, os, time\n"
        "leader, (read, write) = os.getpid(), os.pipe()\n"
        "if os.fork() == 0:\n"
        f"    os.write(write, b'y' if ctypes.CDLL(None).ptrace({_PTRACE_SEIZE}, leader, 0, 0) == 0 else b'n')\n"
        "    time.sleep(600)\n"
        "answer = os.read(read, 1).decode()\n"
    )
    ended = client.wait(client.enqueue("snippet", payload={"code": code}).job_id, timeout=20)
    if ended.result == '"n"':
        pytest.skip("no parent may be traced here")  # as above

    assert ended.status is AsyncJobStatus.SUCCEEDED


def test_what_has_become_another_user_is_found_and_not_called_gone() -> None:
    """As `sudo` does. The kernel refuses the signal: no reason to fail, and none to say that nothing is left."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    read, write = os.pipe()
    helper = os.fork()
    if helper == 0:
        try:
            other = os.fork()
            if other == 0:
                time.sleep(600)
            os.write(write, str(other).encode())
            os.setresuid(65534, 65534, 65534)
            found = sweep_round(()) == [other] and kill_identified(other)
            os._exit(0 if found else 1)
        finally:
            os._exit(70)
    other = int(os.read(read, 20))
    _, status = os.waitpid(helper, 0)
    os.kill(other, signal.SIGKILL)
    os.waitpid(other, 0)
    os.close(read)
    os.close(write)

    assert os.waitstatus_to_exitcode(status) == 0
