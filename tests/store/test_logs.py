"""Reading the output of jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentsd.errors import InvalidInputError
from agentsd.store import logs
from agentsd.store.logs import follow, last_text, log_files, step_log, tail_bytes, tail_lines


def test_a_jobs_own_log_comes_first_and_then_its_steps(tmp_path: Path) -> None:
    """In the order in which they ran; other files are none of ours."""
    for name in ("02-test.log", "job.log", "01-build.log", "core"):
        (tmp_path / name).touch()

    assert [path.name for path in log_files(tmp_path)] == ["job.log", "01-build.log", "02-test.log"]
    assert log_files(tmp_path / "none") == []


@pytest.mark.parametrize("step", ["2", "02", "test", "02-test", "02-test.log"])
def test_a_step_is_named_by_number_name_or_file(tmp_path: Path, step: str) -> None:
    """Whatever the person has at hand."""
    for name in ("job.log", "01-build.log", "02-test.log"):
        (tmp_path / name).touch()

    assert tmp_path / "02-test.log" == step_log(tmp_path, step)


def test_an_unknown_step_lists_what_there_is(tmp_path: Path) -> None:
    """So that the second try is right."""
    with pytest.raises(InvalidInputError, match="no output yet"):
        step_log(tmp_path, "x")
    (tmp_path / "01-build.log").touch()
    with pytest.raises(InvalidInputError, match="one of 01-build, got 'x'"):
        step_log(tmp_path, "x")


def test_the_end_of_a_file_in_bytes(tmp_path: Path) -> None:
    """A file that was pruned meanwhile reads as empty."""
    file = tmp_path / "job.log"
    file.write_bytes(b"0123456789")

    assert (tail_bytes(file, 3), tail_bytes(file, 100)) == (b"789", b"0123456789")
    assert (tail_bytes(tmp_path / "gone", 3), tail_lines(tmp_path / "gone", 3)) == (b"", b"")


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("chunk", [1, 3, 65536])
def test_the_end_of_a_file_in_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes, chunk: int
) -> None:
    """However the file is cut into chunks, and whether or not its last line is finished."""
    monkeypatch.setattr(logs, "CHUNK", chunk)
    file = tmp_path / "job.log"
    file.write_bytes(b"one\ntwo\nthree" + end)

    assert b"two\nthree" + end == tail_lines(file, 2)
    assert b"one\ntwo\nthree" + end == tail_lines(file, 10)
    assert tail_lines(file, 0) == b""


def test_the_last_words_are_of_the_file_written_last(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 do not keep the rest from being read."""
    assert last_text(tmp_path, 5) == []
    (tmp_path / "job.log").write_bytes(b"start\n")
    (tmp_path / "01-x.log").write_bytes(b"a\n\xffb\n")
    (tmp_path / "02-y.log").touch()

    assert last_text(tmp_path, 1) == ["\ufffdb"]


def test_following_yields_what_is_written_until_the_job_has_ended(tmp_path: Path) -> None:
    """A new step's file is followed too, and what is written just before the end is not missed."""
    own, step = tmp_path / "job.log", tmp_path / "01-x.log"
    own.write_bytes(b"old ")
    looks: list[float] = []

    def wait(seconds: float) -> None:
        looks.append(seconds)
        with own.open("ab") as file:
            file.write(b"new")
        step.write_bytes(b"step")

    seen = list(follow(tmp_path, lambda: bool(looks), wait=wait))

    assert [(own, b"old "), (own, b"new"), (step, b"step")] == seen
    assert looks == [logs.FOLLOW_INTERVAL]


def test_following_may_begin_later_and_only_in_one_file(tmp_path: Path) -> None:
    """Tail the end of one step."""
    (tmp_path / "job.log").write_bytes(b"own")
    (tmp_path / "01-x.log").write_bytes(b"0123456789")

    assert [(tmp_path / "01-x.log", b"89")] == list(
        follow(tmp_path, lambda: True, only="01-x.log", skip=lambda _: 8)
    )


def test_a_file_that_vanishes_while_followed_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old logs are pruned while people look at them."""
    monkeypatch.setattr(logs, "log_files", lambda directory: [directory / "gone.log"])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    assert list(follow(tmp_path, lambda: True)) == []
