"""Fault points: inert unless asked for, each one real, and a wrong wish refused."""

from __future__ import annotations

import errno
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from agentsd import faults
from agentsd.faults import FAULTS, POINTS, VARIABLE, Rule
from crash_matrix.points import POINTS as MATRIX

PROJECT = Path(__file__).parents[2]
ROOMS = ("cli", "plans", "store", "supervisor", "workers")


def called() -> list[str]:
    """Every point that the source calls by name (the ledger has three of them in a table)."""
    text = "\n".join(path.read_text() for room in ROOMS for path in (PROJECT / room).rglob("*.py"))
    lines = [
        line for line in text.splitlines() if "reach(" in line or re.match(r'\s+\("\w+\.\w+", written', line)
    ]
    return re.findall(r'"(\w+\.\w+)"', "\n".join(lines))


def test_the_table_is_what_the_source_calls() -> None:
    """No point is dead, and none is missing in the table."""
    assert set(called()) == POINTS


def test_the_matrix_knows_every_point() -> None:
    """A new point is played, or the table says why not."""
    assert {point.name for point in MATRIX} == POINTS


def run(wanted: str, *points: str) -> subprocess.CompletedProcess[str]:
    """A process that reaches *points* one after the other, and says so after each."""
    lines = "".join(f"reach({point!r}); print({point!r}, flush=True)\n" for point in points)
    return subprocess.run(
        [sys.executable, "-c", f"from agentsd.faults import reach\n{lines}"],
        env={**os.environ, VARIABLE: wanted}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_without_the_variable_nothing_is_even_looked_up() -> None:
    """The function that does nothing is chosen when the module is loaded."""
    assert faults.reach.__name__ == "_nothing"


@pytest.mark.parametrize(
    "wrong",
    [
        "rubbish",
        "run.begin",
        "run.begin=death",
        "run.nowhere=kill",
        "run.begin=kill@0",
        "run.begin=kill@x",
        ";",
    ],
)
def test_a_wrong_value_is_refused(wrong: str) -> None:
    """A test that tests nothing is worse than one that fails."""
    ended = run(wrong, "run.begin")

    assert (2, "") == (ended.returncode, ended.stdout)
    assert "expected POINT=FAULT[@N][:FILE]" in ended.stderr


def test_the_nth_arrival_is_the_one() -> None:
    """The others pass."""
    ended = run("run.begin=kill@2", "run.begin", "run.end", "run.begin")

    assert (-signal.SIGKILL, "run.begin\nrun.end\n") == (ended.returncode, ended.stdout)


def test_one_process_takes_the_file_away(tmp_path: Path) -> None:
    """Nothing happens before it is there, nor after it was taken."""
    file = tmp_path / "token"
    wanted = f"run.begin=kill:{file}"
    assert 0 == run(wanted, "run.begin").returncode
    file.touch()
    assert -signal.SIGKILL == run(wanted, "run.begin").returncode
    assert (tmp_path / "token.taken").read_text().strip().isdecimal()

    assert 0 == run(wanted, "run.begin").returncode


def test_several_rules_stand_beside_each_other() -> None:
    """The first one that is reached acts."""
    assert -signal.SIGKILL == run("run.end=kill;run.begin=delay", "run.begin", "run.end").returncode


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("error", RuntimeError, None),
        ("enospc", OSError, errno.ENOSPC),
        ("eagain", BlockingIOError, errno.EAGAIN),
        ("emfile", OSError, errno.EMFILE),
        ("busy", sqlite3.OperationalError, sqlite3.SQLITE_BUSY),
        ("full", sqlite3.OperationalError, sqlite3.SQLITE_FULL),
    ],
)
def test_each_failure_is_what_the_real_layer_raises(
    fault: str, kind: type[Exception], code: int | None
) -> None:
    """By type and by code."""
    with pytest.raises(kind) as raised:
        Rule(f"run.begin={fault}").arrive()

    assert code in (
        None,
        getattr(raised.value, "errno", None),
        getattr(raised.value, "sqlite_errorcode", None),
    )


def test_a_stopped_process_goes_on_when_it_is_continued() -> None:
    """And a delay ends by itself."""
    program = "from agentsd.faults import reach; reach('run.begin')"
    process = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, VARIABLE: "run.begin=stop"}
    )
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    assert 0 == process.wait(20)

    assert set(FAULTS) == {"kill", "stop", "delay", "error", "busy", "full", "enospc", "eagain", "emfile"}
