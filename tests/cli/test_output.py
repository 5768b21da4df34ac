"""What is printed, and how."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

import pytest

from agentsd.cli import output
from agentsd.cli.demo.board import Board
from agentsd.cli.output import Output, pairs, shorten, table
from agentsd.cli.progress import ProgressLine, describe_steps, pace_words, step_lines, steps_of
from agentsd.cli.shapes import parsed
from agentsd.cli.words import ago, count, took
from agentsd.clock import utc_now
from agentsd.errors import ExitCode
from agentsd.model import JSON, AsyncJob, AsyncJobStatus

ROWS = [("01ABC", "a very long name indeed", "running"), ("01DEF", "short", "failed")]
HEADINGS = ("ID", "NAME", "STATE")


def become_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make both streams terminals of 80 columns that show colour. In the test's body: pytest swaps them before."""
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def lines(rows: Iterable[str]) -> list[str]:
    """The lines of a table."""
    return list(rows)


def test_a_table_gives_way_where_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the width of the terminal; a pipe gets everything."""
    monkeypatch.setenv("COLUMNS", "28")
    fitted = lines(table(HEADINGS, ROWS, give=("NAME",)))
    monkeypatch.delenv("COLUMNS")
    whole = lines(table(HEADINGS, ROWS, give=("NAME",), right=("STATE",)))

    assert max(map(len, fitted)) <= 28
    assert "…" in fitted[1]
    assert whole[1] == "01ABC  a very long name indeed  running"
    assert whole[2] == "01DEF  short                     failed"


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR and dumb terminals get none; widths count what is seen."""
    become_terminal(monkeypatch)
    assert "\x1b[1mID" in lines(table(HEADINGS, ROWS))[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert lines(table(HEADINGS, ROWS))[0].startswith("ID")
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not output.has_color()
    assert output.paint("x", "no such style") == "x"


def test_the_width_comes_from_the_variable_or_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """In that order."""
    become_terminal(monkeypatch)
    assert output.width() == 80
    monkeypatch.setenv("COLUMNS", "0")
    monkeypatch.setattr("os.get_terminal_size", lambda _fd: type("Size", (), {"columns": 132}))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1)
    assert output.width() == 132


def test_text_is_shortened_with_a_mark() -> None:
    """And pairs leave out what is empty."""
    assert (shorten("abcdef", 4), shorten("abc", 4)) == ("abc…", "abc")
    assert lines(pairs([("a", "1"), ("long", "2\n3"), ("none", "")])) == ["a     1", "long  2", "      3"]
    assert lines(pairs([])) == []


STEPS = {
    "steps": [
        {"name": "build", "state": "succeeded", "started_at": utc_now(), "finished_at": utc_now()},
        {"name": "test", "state": "running", "started_at": utc_now()},
        {"name": "ship", "state": "waiting", "exit_code": None},
    ]
}


def test_progress_is_one_line_that_goes_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written anew only when it looks different."""
    become_terminal(monkeypatch)
    job = AsyncJob(
        job_id="J", plan_id="P", phase="execute", status=AsyncJobStatus.RUNNING, payload_json="{}",
        schema_version=1, created_at=utc_now(), started_at=utc_now(), progress='{"steps": [{"name": "x", "state": "running"}]}',
    )  # fmt: skip
    with ProgressLine(Output("table", "")) as line:
        line.show_job(job)
        line.show_progress(STEPS)
    shown = capsys.readouterr().err

    assert "J running  0/1 steps" in shown
    assert "1/3 steps" in shown
    assert "+build  >test" in shown
    assert shown.endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("progress", "elapsed", "words"),
    [
        ({"done": 25, "total": 100}, 20.0, "about 1m left"),
        ({"done": 1, "total": 100}, 1.0, ""),
        ({"done": 0, "total": 100}, 20.0, ""),
        ({"done": 100, "total": 100}, 20.0, ""),
        ({"done": "x", "total": 100}, 20.0, ""),
        ([1], 20.0, ""),
        (None, 20.0, ""),
    ],
)
def test_what_is_left_by_the_pace_so_far(progress: JSON, elapsed: float, words: str) -> None:
    """Nothing is foretold of what has hardly begun, or says nothing that can be counted."""
    assert pace_words(progress, elapsed) == words


def test_no_terminal_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file is not a place for lines that go away."""
    with ProgressLine(Output("table", "")) as line:
        line.show_progress(STEPS)

    assert capsys.readouterr().err == ""


def test_progress_of_any_other_form_has_no_steps() -> None:
    """Phases report what they like."""
    for value in (None, 3, {"steps": 3}, {"steps": [3]}, {"current": 1}):
        assert steps_of(value) == []
    # However long ago this module was imported.
    told = describe_steps(steps_of(STEPS))
    assert re.fullmatch(r"\+build  >test [\d hms.]*\d[\d hms.]*   ship", told), told
    assert step_lines(STEPS)[2] == "    ship  waiting"


def test_words_for_times_and_numbers() -> None:
    """As short as they can be said."""
    assert (count(1, "job"), count(2, "job"), ago(None)) == ("1 job", "2 jobs", "-")
    assert (ago("2000-01-01T00:00:00.000000Z")[-1], ago(utc_now())) == ("d", "0s")


def test_text_that_is_no_json_is_kept() -> None:
    """A row may have been written by others."""
    assert (parsed("{"), parsed("[1]"), parsed(None)) == ("{", [1], None)


def test_the_board_is_redrawn_in_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal; elsewhere a line is written when it changes."""
    become_terminal(monkeypatch)
    job = AsyncJob(
        job_id="J", plan_id="P", phase="execute", status=AsyncJobStatus.QUEUED, payload_json="{}",
        schema_version=1, created_at=utc_now(),
    )  # fmt: skip
    board = Board({"J": "name"})
    board.show([job])
    board.show([job])

    assert "\x1b[1A" in capsys.readouterr().out
    assert took(job) == "-"
    monkeypatch.setenv("COLUMNS", "16")
    board.show([job])
    assert capsys.readouterr().out == "\x1b[1A\r\x1b[K   name     qu…\n"


def test_sentences_are_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, and an indented one stays indented; an id is never broken, and a pipe gets all of it."""
    long = "    " + "word " * 5 + "01JABCDEFGHJKMNPQRSTVWXYZ0"
    monkeypatch.setenv("COLUMNS", "24")
    assert list(output.wrapped(["short", long])) == [
        "short",
        "    word word word word",
        "    word",
        "    01JABCDEFGHJKMNPQRSTVWXYZ0",
    ]
    monkeypatch.delenv("COLUMNS")
    assert list(output.wrapped([long])) == [long]


def test_sentences_have_some_room_on_the_narrowest_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands before them may be wider than the terminal is."""
    monkeypatch.setenv("COLUMNS", "8")

    assert list(pairs([("a long name", "some words that go on and on")])) == [
        "a long name  some words that go",
        "             on and on",
    ]


def test_messages_are_broken_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal; and never within a command, which is there to be copied."""
    become_terminal(monkeypatch)
    job = "0" * 26
    told = Output("table", "job wait")
    told.warn(f"No worker is running, so job {job} waits. Start one: agents worker start")
    told.info(f"The job goes on, and this is a long way to say it: agents job cancel {job} ends it.")
    told.error(
        f"What is there to do? Try `agents job list --status running --status queued --limit {job}`.",
        ExitCode.ERROR,
    )

    assert capsys.readouterr().err.splitlines() == [
        f"\x1b[33mWarning:\x1b[0m No worker is running, so job {job} waits. Start",
        "one: agents worker start",
        "The job goes on, and this is a long way to say it:",
        f"agents job cancel {job} ends it.",
        "\x1b[31mError:\x1b[0m What is there to do? Try",
        f"`agents job list --status running --status queued --limit {job}`.",
    ]


def test_messages_are_whole_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A program, or a file, gets one line for each."""
    Output("table", "job wait").warn("word " * 40)

    assert capsys.readouterr().err == f"Warning: {'word ' * 40}\n"
