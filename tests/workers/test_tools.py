"""Tools under the token, in a process of their own that stands in for a job process."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from support.patience import eventually

from agentsd.errors import JobCancelled
from agentsd.testing import job_context
from agentsd.workers import kernel
from agentsd.workers.context import TIDY_SHARE
from agentsd.workers.sweep import sweep
from agentsd.workers.token import CancellationToken
from agentsd.workers.tools import ToolResult, run_tool

DAEMON = '(setsid sh -c \'trap "" TERM; touch "$1"; exec sleep 600\' sh {mark} &) ; while ! [ -e {mark} ]; do sleep 0.01; done'


def in_job(body: Callable[[CancellationToken], None], *, term_when: Path | None = None) -> int:
    """Run *body* in a forked child that is set up as a job process is; returns its exit code.

    With *term_when* the child gets SIGTERM as soon as that file exists.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            kernel.die_with_parent()
            kernel.adopt_orphans()
            token = CancellationToken()
            token.install()
            body(token)
            code = 0
        except BaseException:  # noqa: BLE001 - nothing may escape into the test runner's copy
            traceback.print_exc()
        finally:
            os._exit(code)
    if term_when is not None:
        eventually(term_when.exists, 10, f"{term_when} exists")
        os.kill(child, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(token: CancellationToken, script: str, **options: object) -> ToolResult:
    """A shell script as a tool."""
    return run_tool(["sh", "-c", script], token=token, grace=0.3, **options)  # pyright: ignore[reportArgumentType]


def test_a_tool_ends_with_its_exit_code(tmp_path: Path) -> None:
    """Output goes to the file, stdin is empty, the environment and directory are those given."""

    def body(token: CancellationToken) -> None:
        out = tmp_path / "out"
        result = run(
            token, "cat; echo $X; pwd; echo err >&2; exit 3", output=out, env={"X": "y"}, cwd=tmp_path
        )
        assert (3, None, False, 0) == (result.exit_code, result.signal, result.timed_out, result.survivors)
        assert not result.ok
        assert result.duration > 0
        assert f"y\n{tmp_path}\nerr\n" == out.read_text()
        assert run(token, "kill -9 $$").signal == "SIGKILL"
        assert run(token, "true").ok

    assert 0 == in_job(body)


def test_a_tool_that_does_not_exist_is_an_os_error() -> None:
    """As subprocess says it."""

    def body(token: CancellationToken) -> None:
        with pytest.raises(FileNotFoundError):
            run_tool(["/nonexistent"], token=token, grace=1)

    assert 0 == in_job(body)


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"])
def test_a_tool_that_runs_too_long_is_ended_with_its_group(tmp_path: Path, trap: str) -> None:
    """TERM, and after the grace KILL, to everything in its group."""

    def body(token: CancellationToken) -> None:
        result = run(token, f"{trap} sleep 600 & {trap} sleep 600; true", timeout=0.1)
        assert result.timed_out
        assert not result.ok

    assert 0 == in_job(body)


def test_a_stopped_tool_is_ended_too() -> None:
    """CONT follows TERM."""

    def body(token: CancellationToken) -> None:
        result = run(token, "kill -STOP $$", timeout=0.1)
        assert (True, "SIGTERM") == (result.timed_out, result.signal)

    assert 0 == in_job(body)


def test_what_a_tool_leaves_behind_is_ended(tmp_path: Path) -> None:
    """A background process in its group, and a daemon that ignores TERM in a session of its own."""

    def body(token: CancellationToken) -> None:
        mark = tmp_path / "mark"
        result = run(token, DAEMON.format(mark=mark))
        assert (0, 1) == (result.exit_code, result.survivors)
        assert run(token, "sleep 600 & sleep 600 &").ok

    assert 0 == in_job(body)


def test_the_token_ends_a_tool_and_raises(tmp_path: Path) -> None:
    """At once if it obeys, and its leftovers with it."""

    def body(token: CancellationToken) -> None:
        with pytest.raises(JobCancelled, match="cancelled"):
            run(token, f"sleep 600 & touch {tmp_path / 'ready'}; sleep 600")
        with pytest.raises(JobCancelled):
            run(token, "true")

    assert 0 == in_job(body, term_when=tmp_path / "ready")


def test_other_children_of_a_handler_are_left_alone() -> None:
    """The sweep after a tool takes only what came since the tool began."""

    def body(token: CancellationToken) -> None:
        own = os.fork()
        if own == 0:
            kernel.die_with_parent()
            time.sleep(600)
        assert run(token, "true").ok
        assert os.waitpid(own, os.WNOHANG) == (0, 0)
        os.kill(own, signal.SIGKILL)
        os.waitpid(own, 0)

    assert 0 == in_job(body)


def test_tools_run_in_threads_beside_each_other(tmp_path: Path) -> None:
    """None sweeps another; the token reaches them all."""

    def body(token: CancellationToken) -> None:
        ended: list[bool] = []

        def work(name: str) -> None:
            try:
                run(token, f"touch {tmp_path / name}; sleep 600")
            except JobCancelled:
                ended.append(True)

        threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        eventually(lambda: (tmp_path / "one").exists() and (tmp_path / "two").exists(), 10, "both run")
        assert run(token, "true").ok
        (tmp_path / "all").touch()
        assert token.wait(10)
        for thread in threads:
            thread.join()
        assert [True, True] == ended

    assert 0 == in_job(body, term_when=tmp_path / "all")


def test_waiting_for_the_token(tmp_path: Path) -> None:
    """Times out, wakes up at once, and then says so without waiting; in a thread, too."""

    def body(token: CancellationToken) -> None:
        assert not token.is_set
        assert "" == token.reason
        token.raise_if_set()
        assert not token.wait(0.01)
        results: list[bool] = []

        def wait_in_thread() -> None:
            results.append(token.wait(0.01))
            (tmp_path / "waiting").touch()
            results.append(token.wait())

        thread = threading.Thread(target=wait_in_thread)
        thread.start()
        assert token.wait()
        assert token.wait()
        thread.join()
        assert [False, True] == results
        assert "cancelled" == token.reason

    assert 0 == in_job(body, term_when=tmp_path / "waiting")


def test_an_unwatched_token_raises_once_in_the_handler(tmp_path: Path) -> None:
    """In the middle of a sleep; `finally` of the handler runs undisturbed, even at a second TERM."""

    def body(token: CancellationToken) -> None:
        cleaned = False
        with pytest.raises(JobCancelled), token.raising():
            try:
                (tmp_path / "asleep").touch()
                time.sleep(600)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                cleaned = True
        assert cleaned

    assert 0 == in_job(body, term_when=tmp_path / "asleep")


def test_a_held_token_raises_when_it_is_let_go(tmp_path: Path) -> None:
    """Code of agentsd inside a handler is never interrupted half-way."""

    def body(token: CancellationToken) -> None:
        inside = False
        with pytest.raises(JobCancelled), token.raising():
            with token.held():
                (tmp_path / "held").touch()
                eventually(lambda: token.is_set, 10, "the token is set")
                inside = True
            raise AssertionError("not raised")
        assert inside

    assert 0 == in_job(body, term_when=tmp_path / "held")


def test_a_watched_token_raises_nothing(tmp_path: Path) -> None:
    """Who has asked for the token decides."""

    def body(token: CancellationToken) -> None:
        with token.raising():
            token.watch()
            (tmp_path / "watching").touch()
            eventually(lambda: token.is_set, 10, "the token is set")

    assert 0 == in_job(body, term_when=tmp_path / "watching")


def test_a_sweep_gives_up_at_its_limit() -> None:
    """It reports what it found and does not hang."""

    def body(_token: CancellationToken) -> None:
        for _ in range(2):
            if os.fork() == 0:
                time.sleep(600)
        assert 2 == len(sweep((), 5.0))
        assert set() == sweep((), 5.0)
        if os.fork() == 0:
            time.sleep(600)
        assert set() == sweep((), -1.0)
        assert sweep((), 5.0)

    assert 0 == in_job(body)


def test_a_last_tool_runs_under_a_token_that_is_set_until_the_grace_is_used_up(tmp_path: Path) -> None:
    """It gets three quarters of the grace, its own end included; then none is begun any more."""
    token = CancellationToken()
    before = signal.getsignal(signal.SIGTERM)
    try:
        token.install()
        with job_context(token=token) as job:
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(JobCancelled):
                job.run(["true"])
            assert job.run_last(["touch", str(tmp_path / "tidied")]).ok
            job.grace = (token.age + 2.0) / TIDY_SHARE
            ended = job.run_last(["sleep", "60"])
            job.grace = 0.0
            with pytest.raises(JobCancelled):
                job.run_last(["true"])
    finally:
        signal.signal(signal.SIGTERM, before)

    assert (tmp_path / "tidied").exists()
    assert (ended.timed_out, token.age > 0) == (True, True)
