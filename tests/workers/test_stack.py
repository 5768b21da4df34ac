"""The stack of a process that hangs: asked for only where it can be written, and read without what is ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.patience import eventually

from agentsd.supervisor.sentences import place_in
from agentsd.workers.stack import STACK_FD, StackFile

HANG = """
import sys
from agentsd.workers import stack
stack.install()
def hang():
    sum(range(10**12))
print("ready", flush=True)
hang()
"""
ECHO = """
from agentsd.workers import stack
stack.install()
print("ready", flush=True)
print(input())
"""


def started(program: str, become: Callable[[], object]) -> subprocess.Popen[str]:
    """A process that is ready, after *become* in it."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, close_fds=False,
        preexec_fn=become,  # noqa: PLW1509 - there is one thread here
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_native_code_that_holds_the_gil_is_seen_through() -> None:
    """The innermost call of the hanging thread, and once only."""
    file = StackFile()

    def become() -> None:
        file.become()
        os.set_inheritable(STACK_FD, True)

    process = started(HANG, become)

    def asked() -> str:
        file.ask(process.pid)
        return place_in(file.take())

    try:
        eventually(lambda: asked() == "<string>, line 6, in hang", 10, "a stack is written")
    finally:
        process.kill()
        process.communicate()


def test_another_file_under_the_number_is_left_alone(tmp_path: Path) -> None:
    """A job may have closed ours and opened its own: the signal would write into it."""
    file = StackFile()
    theirs = tmp_path / "theirs"
    process = started(ECHO, lambda: os.dup2(os.open(theirs, os.O_CREAT | os.O_WRONLY), STACK_FD, True))
    file.ask(process.pid)
    said, _ = process.communicate("a signal that was sent is handled by now\n")

    assert said == "a signal that was sent is handled by now\n"
    assert process.returncode == 0
    assert theirs.read_bytes() == b""
    assert file.take() == ""


def taken_after(data: bytes) -> str:
    """What is taken for a stack when a job process has written *data* where its stack goes."""
    file = StackFile()
    pid = os.fork()
    if pid == 0:
        file.become()
        os.write(STACK_FD, data)
        os._exit(0)
    os.waitpid(pid, 0)
    return file.take()


def test_rubbish_is_no_stack() -> None:
    """A job that writes into every descriptor that it has."""
    assert taken_after(b"rubbish" * 3000) == ""


def test_the_frames_of_every_job_process_are_left_out() -> None:
    """What a person sees ends where the code of the job begins."""
    frames = [
        '  File "mine.py", line 3 in hang',
        '  File "/x/agentsd/workers/child.py", line 1 in _run',
        '  File "/x/agentsd/workers/spawner.py", line 1 in run',
    ]
    stack = "Thread 0x1 (most recent call first):\n" + "\n".join(frames) + "\n\n"
    text = taken_after((stack + stack.replace("Thread", "Current thread")).encode())

    assert "spawner" not in text
    assert text.count("mine.py") == 2
    assert place_in(text) == "mine.py, line 3, in hang"


def test_a_place_is_told_only_if_it_is_not_ours() -> None:
    """A plan's job hangs in its tool, which agentsd waits for: its own frames explain nothing."""
    ours = (
        'Current thread 0x1 (most recent call first):\n  File "/x/agentsd/workers/tools.py", line 1 in _pause'
    )

    assert place_in(ours) == ""
    assert place_in("") == ""
