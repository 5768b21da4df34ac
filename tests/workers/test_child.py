"""A job process that must not run: its spawner or its supervisor is gone before it begins."""

from __future__ import annotations

import errno
import marshal
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agentsd.model import AsyncJobStatus, plan_state_after
from agentsd.workers import kernel, process
from agentsd.workers.board import Board
from agentsd.workers.child import rehearse, stand_by
from agentsd.workers.link import LOST, Link
from agentsd.workers.order import Order
from agentsd.workers.process import OwnChildren
from agentsd.workers.slot import Slot
from agentsd.workers.title import _load_extension  # pyright: ignore[reportPrivateUsage]


def run_in_fork(log_dir: Path, spawner: int, sent: int | None = None) -> int:
    """The exit code of a job process whose spawner is *spawner*, and whose supervisor is gone after *sent* bytes of its order."""
    order = Order(
        job_id="J", plan_id="J", phase="noop", attempt=1, handler="agentsd_test_phases.plain:gate", title="agents job J", timeout=9.0,
        grace=9.0, state_root="", log_dir=str(log_dir), log_limit=1, limits={},
    )  # fmt: skip
    entered = str(log_dir.parent / "entered")  # a handler that ran would make it
    body = marshal.dumps({"payload": {"entered": entered, "gate": entered}, "plan": None, "options": {}})
    ours, theirs = socket.socketpair()
    ours.send(order.to_bytes(body)[:sent])
    board = Board()
    child = os.fork()
    if child == 0:
        stand_by(theirs.fileno(), board, Slot(board.take_slot(), None), spawner)
    ours.close()
    theirs.close()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_job_whose_spawner_is_gone_does_not_run(tmp_path: Path) -> None:
    """The parent-death signal came too late for it; it has made nothing."""
    assert 1 == run_in_fork(tmp_path / "log", spawner=1)
    assert not (tmp_path / "log").exists()


def test_a_job_whose_supervisor_is_gone_does_not_run(tmp_path: Path) -> None:
    """It waits for its order, and gets an end of file; a part of one is none."""
    for sent in (0, 5, 100, -1):
        assert 0 == run_in_fork(tmp_path / "log", os.getpid(), sent)
    assert not (tmp_path / "log").exists()


def test_a_job_that_cannot_open_its_log_says_why(tmp_path: Path) -> None:
    """On the output of its spawner, as it has none of its own."""
    assert 1 == run_in_fork(tmp_path / "missing" / "log", spawner=os.getpid())


def test_the_numbers_of_a_jobs_descriptors_are_nobody_elses() -> None:
    """With a hundred descriptors open, a spawner's next one would get the number that a job moves its channel to."""
    script = (
        "import os; from agentsd.workers.becoming import prepare; from agentsd.workers.stack import CHANNEL_FD, STACK_FD\n"
        "prepare(); got = [os.open('/', os.O_RDONLY) for _ in range(200)]\n"
        "assert {CHANNEL_FD, STACK_FD}.isdisjoint(got); assert max(got) > CHANNEL_FD\n"
        "assert not os.get_inheritable(CHANNEL_FD); assert not os.get_inheritable(STACK_FD)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_rehearsal_leaves_nothing_behind() -> None:
    """No descriptor, no slot, and no job that has begun."""
    board = Board()
    before = sorted(os.listdir("/proc/self/fd"))
    rehearse(board, times=2)
    assert before == sorted(os.listdir("/proc/self/fd"))
    assert board.take_slot() == 0
    assert not board.has_begun(0)


def test_what_the_kernel_refuses_is_an_error() -> None:
    """Not a silent loss of a safety."""
    with pytest.raises(OSError, match="prctl") as refused:
        kernel._prctl(-1, 0)  # pyright: ignore[reportPrivateUsage]

    assert errno.EINVAL == refused.value.errno


def test_many_children_are_listed_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the list is."""
    monkeypatch.setattr(OwnChildren, "FIRST_READ", 2)
    ours, theirs = os.pipe()
    children: list[int] = []
    for _ in range(3):
        children.append(os.fork())
        if children[-1] == 0:
            os.read(ours, 1)
            os._exit(0)
    listed = OwnChildren()()
    os.write(theirs, b"xxx")
    for child in children:
        os.waitpid(child, 0)
    os.close(ours)
    os.close(theirs)

    assert set(children) <= set(listed)
    assert process.children(os.getpid()) == OwnChildren()()


def test_a_lost_descriptor_is_no_descriptor() -> None:
    """Closing a link does not close it."""
    ours, theirs = socket.socketpair()
    link = Link(ours)
    link._fds.append(LOST)  # pyright: ignore[reportPrivateUsage]
    link.close()
    theirs.close()


def test_without_setproctitle_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """At start, not in the middle of a job."""
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(ImportError, match="setproctitle is not installed"):
        _load_extension()


def test_a_phase_of_ones_own_moves_no_plan() -> None:
    """Only execute and apply do."""
    facts = {"has_result": True, "apply_begun": True, "apply_finished": True}

    assert plan_state_after("count-words", AsyncJobStatus.SUCCEEDED, **facts) is None


def test_a_process_in_the_middle_of_an_exec_is_not_overlooked(tmp_path: Path) -> None:
    """It becomes another program again and again, and reads as empty in between."""
    script, worker_id = tmp_path / "again", f"01JEXEC{os.getpid()}"
    script.write_text(f"exec /bin/sh {script}\n")
    with subprocess.Popen(["/bin/sh", script], env={process.MARKER: worker_id}) as child:
        seen = [process.is_marked(child.pid, worker_id) for _ in range(5000)]
        listed = [list(process.marked(worker_id)) for _ in range(20)]
        child.kill()

    assert all(seen)
    assert listed == [[child.pid]] * 20


def test_who_comes_while_a_long_table_is_read_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the first reading takes: only what comes after it is to be over soon."""
    look, worker_id = process._carries, f"01JLATE{os.getpid()}"  # pyright: ignore[reportPrivateUsage]
    late: list[subprocess.Popen[bytes]] = []

    def slowly(pid: int, wanted: str) -> bool | None:
        if not late:
            monkeypatch.setattr(
                process.time, "monotonic", lambda: before() + 10
            )  # as if reading had taken that long
            late.append(subprocess.Popen(["sleep", "600"], env={process.MARKER: worker_id}))
        return look(pid, wanted)

    before = process.time.monotonic
    monkeypatch.setattr(process, "_carries", slowly)
    found = list(process.marked(worker_id))
    for child in late:
        child.kill()
        child.wait()

    assert found == [child.pid for child in late]


def test_a_long_environment_is_read_to_its_end() -> None:
    """The marker stands behind all that others have put there, and the kernel takes its time to count that in an exec."""
    worker_id = f"01JLONG{os.getpid()}"
    long = {f"V{number}": "x" * 100_000 for number in range(12)}
    found: list[bool] = []
    for _ in range(80):
        with subprocess.Popen(["sleep", "600"], env={**long, process.MARKER: worker_id}) as child:
            found.append(process.is_marked(child.pid, worker_id))
            child.kill()

    assert all(found)


def test_a_process_without_an_environment_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps nobody waiting."""
    monkeypatch.setattr(process, "_PATIENCE", 600.0)
    with subprocess.Popen(["sleep", "600"], env={}) as child:
        assert not process.is_marked(child.pid, f"01JEXEC{os.getpid()}")
        child.kill()
