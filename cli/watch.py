"""``--watch``: a table that is drawn again and again in place, until Ctrl-C."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable

import click

from agentsd.cli.output import Output, is_terminal, paint, write
from agentsd.cli.words import count
from agentsd.errors import ExitCode

EVERY = 1.0
"""Seconds between two drawings."""
HOME, TO_END_OF_LINE, BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
OWN_SCREEN, OLD_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def watch_option() -> Callable[[Callable[..., object]], Callable[..., object]]:
    """The option ``--watch``."""
    return click.option("--watch", is_flag=True, help="Draw it again every second; Ctrl-C ends it, with 0.")


def draw_again(output: Output, draw: Callable[[], Iterable[str]]) -> ExitCode:
    """Draw until Ctrl-C, which is the way to end it and so no failure. Raises click.UsageError without a terminal."""
    if not (output.is_table and is_terminal(sys.stdout)):
        raise click.UsageError("--watch needs a terminal and the format table.")
    write(OWN_SCREEN)
    try:
        while True:
            write(_frame(draw()))
            time.sleep(EVERY)  # the rhythm of the drawings is what the option is
    except KeyboardInterrupt:
        return ExitCode.OK
    finally:
        write(OLD_SCREEN)


def _frame(lines: Iterable[str]) -> str:
    """What fits the terminal, and no more: a scrolled screen could not be drawn over. What is left out is said."""
    height = os.get_terminal_size(sys.stdout.fileno()).lines or 24
    shown = list(lines)
    if len(shown) > height:
        below = len(shown) - height + 1
        shown[height - 1 :] = [paint(f"… {count(below, 'line')} below", "dim")]
    return HOME + "\n".join(line + TO_END_OF_LINE for line in shown) + BELOW
