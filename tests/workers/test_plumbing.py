"""Frames, the link with its descriptors, the shared page, phases, process facts: the parts without a fork."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsd.workers import process
from agentsd.workers.board import SLOTS, Board
from agentsd.workers.frames import BrokenFrameError, FrameReader, FrameWriter, Kind, encode
from agentsd.workers.identity import Identity, boot_id, pid_namespace
from agentsd.workers.link import Link
from agentsd.workers.phases import BUILT_IN, registered


@given(st.lists(st.binary(max_size=300)), st.integers(min_value=1, max_value=50))
def test_frames_survive_any_cut_of_the_stream(bodies: list[bytes], size: int) -> None:
    """However the bytes arrive, the same frames come out, in order."""
    stream = b"".join(encode(Kind.PROGRESS, body) for body in bodies)
    reader = FrameReader()
    frames = [frame for i in range(0, len(stream), size) for frame in reader.feed(stream[i : i + size])]

    assert [(Kind.PROGRESS, body) for body in bodies] == frames


@given(st.binary(min_size=1, max_size=100), st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_a_flipped_bit_is_never_taken_for_a_frame(body: bytes, position: int, bit: int) -> None:
    """Either the frame is refused, or it is not complete; it never comes out changed."""
    damaged = bytearray(encode(Kind.RESULT, body))
    damaged[position % len(damaged)] ^= 1 << bit
    try:
        frames = FrameReader().feed(bytes(damaged))
    except BrokenFrameError:
        return

    assert frames == []


def test_a_frame_that_is_too_long_is_refused() -> None:
    """A length out of all proportion is somebody else's bytes."""
    with pytest.raises(BrokenFrameError, match="at most"):
        FrameReader().feed(b"\xff" * 9)


def test_progress_never_blocks_and_the_newest_wins() -> None:
    """With a reader that does not read, offers are dropped; the last word still arrives whole."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    writer = FrameWriter(theirs.detach())
    text = "x" * 50_000
    for _ in range(50):
        writer.report(text)
    writer.report("newest")
    reader, frames = FrameReader(), list[tuple[Kind, bytes]]()
    child = os.fork()
    if child == 0:
        writer.finish(Kind.RESULT, b"done")
        os._exit(0)
    assert writer._channel is not None  # pyright: ignore[reportPrivateUsage]
    writer._channel.close()  # pyright: ignore[reportPrivateUsage]
    ours.setblocking(True)
    while data := ours.recv(65536):
        frames.extend(reader.feed(data))
    os.waitpid(child, 0)
    ours.close()

    assert [(Kind.PROGRESS, b'"newest"'), (Kind.RESULT, b"done")] == frames[-2:]
    assert {(Kind.PROGRESS, f'"{text}"'.encode())} == set(frames[:-2])
    assert len(frames) < 50


@pytest.fixture
def pair() -> Iterator[tuple[Link, Link]]:
    """Both ends of a link."""
    one, other = socket.socketpair()
    links = Link(one), Link(other)
    yield links
    for link in links:
        link.close()


def test_a_link_carries_messages_bodies_and_descriptors(pair: tuple[Link, Link]) -> None:
    """In order, each descriptor with its message, and closed on the sending side."""
    one, other = pair
    before = len(os.listdir("/proc/self/fd"))
    read, write = os.pipe()
    os.write(write, b"hello")
    one.post({"n": 1, "words": "body"})
    one.post({"n": 2}, fd=read)

    assert one.flush()
    assert [{"n": 1, "words": "body"}, {"n": 2}] == other.receive()
    received = other.take_fd()
    assert b"hello" == os.read(received, 10)
    assert not os.get_inheritable(received)
    os.close(received)
    os.close(write)
    assert before == len(os.listdir("/proc/self/fd"))


def test_what_waits_is_heard_in_one_turn() -> None:
    """Up to the next descriptor: one who hears a part of it would act before the rest."""
    one, other = (Link(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    read, write = os.pipe()
    for number in range(3):
        one.post({"n": number})
    one.post({"n": 3}, read)
    one.post({"n": 4})
    assert one.flush()
    packets = [other.socket.recvmsg(1 << 16, 64)[0] for _ in range(3)]  # which keeps what was sent apart
    sizes = [len(packet) for packet in packets]
    one.close()
    other.close()
    os.close(write)

    assert [3 * sizes[1], sizes[2], sizes[1]] == [sizes[0], sizes[1], sizes[2]]


def test_a_full_link_keeps_what_does_not_fit(pair: tuple[Link, Link]) -> None:
    """The rest goes out when there is room; nothing is lost or reordered."""
    one, other = pair
    for number in range(40):
        one.post({"n": number, "words": "x" * 40_000})
    assert not one.flush()
    assert one.has_unsent
    received = list[int]()
    while len(received) < 40:
        received += [message["n"] for message in other.receive()]
        one.flush()

    assert list(range(40)) == received
    assert not one.has_unsent


def test_the_end_of_the_peer_is_noticed(pair: tuple[Link, Link]) -> None:
    """What was sent before still arrives; what comes afterwards is not sent, which is no error, and leaks no descriptor."""
    one, other = pair
    one.post({"n": 1})
    one.flush()
    one.close()
    assert [{"n": 1}] == other.receive()
    assert other.closed
    read, write = os.pipe()
    other.post({"n": 2}, fd=read)

    assert not other.flush()
    assert not other.has_unsent
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read)
    os.close(write)


def test_descriptors_that_nobody_took_are_closed() -> None:
    """Also those that were never sent."""
    one, other = (Link(end) for end in socket.socketpair())
    read, write = os.pipe()
    one.post({"n": 1}, fd=read)
    one.flush()
    other.receive()
    other.post({"n": 2}, fd=write)
    before = len(os.listdir("/proc/self/fd"))
    one.close()
    other.close()

    assert before - 4 == len(os.listdir("/proc/self/fd"))


def test_a_peer_that_dies_with_unread_data_is_an_end_too() -> None:
    """The kernel says reset instead of end of file."""
    one, other = (Link(end) for end in socket.socketpair())
    one.post({"n": 1})
    one.flush()
    other.close()

    assert one.receive() == []
    assert one.closed
    one.close()


def test_the_board_gives_clean_slots() -> None:
    """Cause and shield of an earlier job are not inherited; the first cause stays."""
    board = Board()
    slot = board.take_slot()
    board.set_cause(slot, "timeout")
    board.set_cause(slot, "cancelled")
    board.set_shield(slot, True)
    assert ("timeout", True) == (board.cause(slot), board.is_shielded(slot))
    board.give_back(slot)

    assert slot == board.take_slot()
    assert ("", False) == (board.cause(slot), board.is_shielded(slot))
    assert SLOTS - 1 == len({board.take_slot() for _ in range(SLOTS - 1)})


def test_phases_come_from_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points of every distribution on the path; the built-in ones cannot be replaced."""
    metadata = tmp_path / "mine-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text(
        "[console_scripts]\nmine = mine:main\n\n[agentsd.phases]  # a comment\n"
        "count = mine.phases:count [extra]\nexecute = mine:hijack\n\n[other]\nx = y:z\n"
    )
    broken = tmp_path / "broken-1.0.dist-info"
    broken.mkdir()
    (broken / "entry_points.txt").write_bytes(b"[agentsd.phases]\nbad = \xff:x\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    found = registered()

    assert "mine.phases:count" == found["count"]
    assert BUILT_IN["execute"] == found["execute"]
    assert "mine" not in found
    assert "x" not in found
    assert "agentsd_test_phases.lean:noop" == found["noop"]


def test_a_process_is_told_from_its_successor() -> None:
    """Identity is pid and start time in this boot and pid namespace; a zombie does not live."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = process.start_ticks(child.pid)
    assert start is not None
    here = Identity(boot_id(), pid_namespace(), child.pid, start)
    assert here.is_here()
    assert here.is_alive()
    assert not Identity(here.boot_id, here.pid_namespace, child.pid, start + 1).is_alive()
    assert not Identity("another boot", here.pid_namespace, child.pid, start).is_here()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert "Z" == process.state(child.pid)
    assert not here.is_alive()
    child.communicate()

    assert (None, None) == (process.start_ticks(child.pid), process.state(child.pid))
    assert process.children(child.pid) == []


def test_descendants_come_parents_first() -> None:
    """Children and grandchildren, as the kernel knows them."""
    shell = subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert shell.stdout is not None
    sleeper = int(shell.stdout.readline())

    assert [sleeper] == process.descendants(shell.pid)
    assert shell.pid in process.descendants(os.getpid())
    os.killpg(shell.pid, 9)
    shell.communicate()
    os.waitpid(sleeper, 0)


def test_marked_processes_are_found_by_their_environment() -> None:
    """Whatever the process does to its own name or session."""
    worker_id = f"01JMARKED{os.getpid()}"
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, process.MARKER: worker_id})

    assert [child.pid] == list(process.marked(worker_id))
    child.kill()
    child.communicate()
    assert list(process.marked(worker_id)) == []
