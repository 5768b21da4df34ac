"""A process that forks and exits without end has another pid at every look: it must not pass for gone."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.patience import eventually
from support.rows import worker_row

from agentsd.supervisor import remnants
from agentsd.workers.identity import Identity
from agentsd.workers.process import MARKER

HOPPER = """
import os, time
end = time.monotonic() + 20
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    time.sleep(%s)
"""


@pytest.mark.parametrize("pause", [0.0002, 0.001, 0.005])
def test_none_found_is_the_proof_that_none_is_left(tmp_path: Path, pause: float) -> None:
    """Every hop inherits a lock, so that the kernel tells whether one is alive."""
    owner = worker_row(Identity.current(), worker_id=f"HOPS{os.getpid()}")
    for number in range(10):
        lock = tmp_path / str(number)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            subprocess.Popen(
                [sys.executable, "-c", HOPPER % pause], env={**os.environ, MARKER: owner.worker_id},
                pass_fds=[held.fileno()], start_new_session=True,
            ).wait()  # fmt: skip
        assert not is_free(lock)
        eventually(lambda: not remnants.end_round(owner, []), 10, "a round finds none")

        assert is_free(lock), "it hops on"


def test_one_that_is_gone_when_it_is_looked_at_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It carried the marker a moment ago, and may have forked since: another round has to look."""
    owner = worker_row(Identity.current(), worker_id=f"HOPS{os.getpid()}")
    gone = subprocess.Popen("true")
    gone.wait()
    monkeypatch.setattr(remnants, "marked", lambda _worker_id: iter([gone.pid]))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    assert remnants.end_round(owner, []) == [gone.pid]


def is_free(lock: Path) -> bool:
    """Whether nobody holds *lock*."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
