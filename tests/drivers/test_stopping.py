"""A run of these tests that is told to stop tears down what the running test has set up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.patience import PATIENCE, eventually
from support.processes import is_alive

PROJECT = Path(__file__).parents[2]
TEST = """
import subprocess, time
from pathlib import Path
import pytest

@pytest.fixture
def torn_down():
    yield
    Path("torn-down").touch()

def test_that_never_ends(torn_down):
    stray = subprocess.Popen(["sleep", "600"], start_new_session=True)
    Path("begun.new").write_text(str(stray.pid))
    Path("begun.new").rename("begun")
    time.sleep(600)  # until the run is told to stop: a signal has to interrupt a test that would go on for long
"""


def test_a_run_that_is_told_to_stop_leaves_nothing(tmp_path: Path) -> None:
    """As a CI does it: TERM to every process of the run, here more than once."""
    (tmp_path / "test_it.py").write_text(TEST)
    begun = tmp_path / "begun"
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-p", "no:xdist", "test_it.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'features'}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    eventually(begun.exists, 20, "the test runs")
    for _ in range(2):
        os.killpg(run.pid, signal.SIGTERM)

    assert run.wait(30 * PATIENCE) != pytest.ExitCode.OK
    assert (tmp_path / "torn-down").exists()
    assert not is_alive(int(begun.read_text()))


def test_a_child_of_a_test_ends_as_ever() -> None:
    """Whoever forks inherits handlers; this one is for the run alone."""
    child = os.fork()
    if child == 0:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            os._exit(70)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
