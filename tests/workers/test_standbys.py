"""What a process that stands by does at its desk, and what becomes of a board that is full."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys

import pytest

from agentsd.store.keys import KEYS, MOST_STANDBYS
from agentsd.workers.board import SLOTS, Board
from agentsd.workers.forks import Standby
from agentsd.workers.order import Order
from agentsd.workers.slot import Slot
from agentsd.workers.standby import FIRST_PAUSE, Standbys

ORDER = Order(
    job_id="J", plan_id="P", phase="noop", attempt=1, handler="m:f", title="t", timeout=1.0, grace=1.0,
    state_root="/", log_dir="/", log_limit=1, limits={},
)  # fmt: skip


@pytest.mark.parametrize("cuts", [100, 4096, 70_000])
def test_an_order_comes_whole_with_its_body(cuts: int) -> None:
    """However it was cut on the way."""
    body = b"x" * 200_000
    whole = ORDER.to_bytes(body)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = os.fork()
        if writer == 0:
            left = memoryview(whole)
            while left:
                left = left[os.write(ours.fileno(), left[:cuts]) :]
            os._exit(0)
        found = Order.read(theirs.fileno())
        os.waitpid(writer, 0)

    assert found == (ORDER, body)


def test_who_can_get_no_order_any_more_is_told() -> None:
    """Its supervisor is gone."""
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        assert Order.read(theirs.fileno()) is None


SIGNALS = """
import os, signal
from agentsd.workers.becoming import forget_signals
numbers = {signal.SIGUSR1, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
for number in numbers:
    os.kill(os.getpid(), number)
forget_signals(lambda: "")
print(signal.sigpending() == set())
forget_signals(lambda: "cancelled")
print(signal.sigpending() == {signal.SIGTERM})
"""


def test_signals_from_before_are_forgotten_but_for_the_spawners() -> None:
    """Blocked meanwhile, as in a process that stands by; in one of its own, with one thread."""
    ended = subprocess.run([sys.executable, "-c", SIGNALS], capture_output=True, text=True, check=True)

    assert ended.stdout.split() == ["True", "True"]


def test_there_is_a_slot_for_everybody() -> None:
    """For all jobs that a worker may run at once, what stands by beside them, and as many that are being ended."""
    with pytest.raises(ValueError, match="a whole number"):
        KEYS["async.max_workers"].parse(SLOTS - 2 * MOST_STANDBYS + 1)


def test_a_full_board_says_so() -> None:
    """As a fork does for which there is no room."""
    board = Board()
    slots = [board.take_slot() for _ in range(SLOTS)]

    assert len(set(slots)) == SLOTS
    with pytest.raises(BlockingIOError, match="all slots are taken"):
        board.take_slot()
    board.give_back(slots[7])
    assert board.take_slot() == slots[7]


class Sleepers:
    """Stands in for forks: processes that wait for nothing."""

    def in_a_row(self, number: int) -> tuple[list[Standby], str]:
        """Start so many."""
        started = [os.posix_spawnp("sleep", ["sleep", "600"], os.environ) for _ in range(number)]
        return [Standby(pid, -1, 0, Slot(0, None), -1) for pid in started], ""

    def give_back(self, slot: Slot) -> None:
        """Close what it holds."""


def test_those_that_end_together_cost_one_pause() -> None:
    """Somebody has ended all of them at once; only when the next ones end, too, is there a longer one."""
    told: list[Standby] = []
    standbys = Standbys(Sleepers(), select.poll(), set(), told.append)  # pyright: ignore[reportArgumentType]
    standbys.want(3)
    pauses: list[float] = []
    for now in (100.0, 200.0):
        standbys.refill(now)
        for standby in told:
            os.kill(standby.pid, signal.SIGKILL)
            os.waitid(os.P_PID, standby.pid, os.WEXITED | os.WNOWAIT)
            standbys.lose(standby, now)
        told.clear()
        pauses.append(round(standbys.due - now, 3))

    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE]
