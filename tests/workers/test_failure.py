"""What a handler raised, as words in the job's log."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from agentsd.errors import StepFailedError
from agentsd.workers.failure import describe, print_traceback


class Broken:
    """Cannot be printed."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class BrokenError(Exception):
    """The same."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def called_by_us(handler: Callable[[], None]) -> BaseException:
    """As a job process calls its handler."""
    try:
        handler()
    except BaseException as error:  # noqa: BLE001 - as there
        return error
    raise AssertionError("it has raised nothing")


def chained() -> None:
    """One error because of another, while a third was handled; with notes."""
    try:
        try:
            {}["first"]
        except KeyError:
            raise ValueError("second")  # noqa: B904 - implicit on purpose
    except ValueError as error:
        last = RuntimeError("third")
        last.add_note("a note\nof two lines")
        raise last from error


def broken_str() -> None:
    """An error without words, because of one with a value without words."""
    raise BrokenError from KeyError(Broken())


def broken_note() -> None:
    """Notes that are none."""
    error = ValueError("with words")
    error.__notes__ = [Broken()]  # type: ignore[assignment]
    raise error


def written(capsys: pytest.CaptureFixture[str], handler: Callable[[], None]) -> str:
    """What comes into the log."""
    print_traceback(called_by_us(handler))
    return capsys.readouterr().err


def test_the_whole_chain_is_told_without_our_frame(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order in which it was raised, with notes and lines of source; only our own call is left out."""
    said = written(capsys, chained)
    parts = [
        "Traceback (most recent call last):", "in chained", '{}["first"]', "KeyError: 'first'",
        "During handling of the above exception", 'raise ValueError("second")', "ValueError: second",
        "direct cause", "in chained", "raise last from error", "RuntimeError: third", "a note", "of two lines",
    ]  # fmt: skip
    place = 0
    for part in parts:
        place = said.index(part, place) + 1

    assert "called_by_us" not in said


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (
            broken_str,
            [
                "KeyError: <exception str() failed>",
                "direct cause",
                "in broken_str",
                "BrokenError: <exception",
            ],
        ),
        (broken_note, ["in broken_note", "ValueError: with words"]),
    ],
)
def test_what_cannot_be_printed_is_told_as_far_as_it_can(
    capsys: pytest.CaptureFixture[str], handler: Callable[[], None], words: list[str]
) -> None:
    """A broken ``__str__`` or ``__repr__`` takes nothing else away."""
    said = written(capsys, handler)

    assert [word for word in words if word not in said] == []
    assert "called_by_us" not in said
    assert "no words" not in said


def test_what_is_raised_on_purpose_words_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback: it is no mistake in anybody's Python."""

    def fail() -> None:
        raise StepFailedError("The step failed.")

    assert "The step failed.\n" == written(capsys, fail)


@pytest.mark.parametrize("error", [RuntimeError("third"), StepFailedError("third")])
def test_a_log_that_is_closed_is_no_error(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The handler may have closed it; the verdict goes its own way."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    print_traceback(error)

    assert str(describe(error)["error"]).endswith("third")


def test_an_error_without_words_is_told_by_its_type() -> None:
    """As data, too."""
    assert {"error": "BrokenError", "reason": "handler_error", "result": None} == describe(BrokenError())
