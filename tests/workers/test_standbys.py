"""What a process that stands by does at its desk, and what becomes of a board that is full."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agentsd.workers import becoming
from agentsd.workers.board import SLOTS, Board
from agentsd.workers.link import Link
from agentsd.workers.order import Order

ORDER = Order(
    job_id="J", plan_id="P", phase="noop", attempt=1, handler="m:f", title="t", timeout=1.0, grace=1.0,
    state_root="/", log_dir="/", log_limit=1, limits={},
)  # fmt: skip


class Exited(BaseException):
    """Instead of the end of this process."""


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Link, Link]]:
    """The end that gives orders and the one that takes them, in a process that says how it would exit."""

    def leave(code: int) -> None:
        raise Exited(code)

    monkeypatch.setattr(os, "_exit", leave)
    ours, theirs = (Link(end) for end in socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_an_order_comes_with_its_body_and_its_channel(desk: tuple[Link, Link]) -> None:
    """Whole, however it was cut on the way."""
    giver, taker = desk
    body = b"x" * 70_000
    reading, writing = os.pipe()
    giver.post(ORDER.to_message(), body, writing)
    giver.flush()
    order, found, channel = becoming.wait_for_order(taker)
    os.write(channel, b"here")

    assert (order, found, os.read(reading, 9)) == (ORDER, body, b"here")
    os.close(channel)
    os.close(reading)


def test_who_can_get_no_order_any_more_ends(desk: tuple[Link, Link]) -> None:
    """Its spawner is gone."""
    giver, taker = desk
    giver.close()

    with pytest.raises(Exited) as ended:
        becoming.wait_for_order(taker)
    assert ended.value.args == (0,)


def test_an_order_whose_channel_is_lost_is_given_up(desk: tuple[Link, Link]) -> None:
    """There was no descriptor left: the spawner sees the end, and tells."""
    giver, taker = desk
    taker._fds.append(-1)  # pyright: ignore[reportPrivateUsage] - what a full table of descriptors leaves there
    giver.post(ORDER.to_message())
    giver.flush()

    with pytest.raises(Exited) as ended:
        becoming.wait_for_order(taker)
    assert ended.value.args == (1,)


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


def test_a_full_board_says_so() -> None:
    """As a fork does for which there is no room."""
    board = Board()
    slots = [board.take_slot() for _ in range(SLOTS)]

    assert len(set(slots)) == SLOTS
    with pytest.raises(BlockingIOError, match="all slots are taken"):
        board.take_slot()
    board.give_back(slots[7])
    assert board.take_slot() == slots[7]
