"""What a worker tells: every event has a name, a level, facts and words, and is documented."""

from __future__ import annotations

import ast
import contextlib
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import agentsd.supervisor
from agentsd.cli.worker.events import EVENTS, OF_A_JOB, sentence
from agentsd.cli.worker.log import LEVELS, WorkerLog
from agentsd.supervisor.notices import Notice

PROJECT = Path(__file__).parents[2]


def told() -> Iterator[tuple[str, set[str]]]:
    """The name and the facts of each event that the supervisor's code tells."""
    for path in Path(agentsd.supervisor.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield from event_of(node, node.func.id)


def event_of(call: ast.Call, function: str) -> Iterator[tuple[str, set[str]]]:
    """The event that one call of ``Notice`` or ``about`` tells."""
    if function not in ("Notice", "about") or not isinstance(call.args[0], ast.Constant):
        return
    facts = {keyword.arg for keyword in call.keywords if keyword.arg and keyword.arg != "level"}
    if function == "about":
        facts |= set(OF_A_JOB)
    elif isinstance(call.args[1], ast.Dict):
        facts |= {str(key.value) for key in call.args[1].keys if isinstance(key, ast.Constant)}
    yield str(call.args[0].value), facts


def test_every_event_that_is_told_is_in_the_table() -> None:
    """With all its facts; and the table has none that is never told."""
    found: dict[str, set[str]] = {}
    for name, facts in told():
        found.setdefault(name, set()).update(facts)

    assert {name: set(event.facts) for name, event in EVENTS.items()} == found


def test_the_page_is_what_the_table_says() -> None:
    """It is printed by a program; here it is printed again."""
    program = [sys.executable, str(PROJECT / "docs" / "generate_events.py")]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout

    assert printed == (PROJECT / "docs" / "reference" / "events.md").read_text()


FACTS = {
    "worker_id": "W", "job_id": "J", "plan_id": "P", "phase": "noop", "pid": 7, "slots": 2, "error": "why",
    "reason": "stuck", "status": "failed", "next_job": "K", "by": "me", "again_in": 0.1, "problem": "p",
    "jobs": 3, "stage": 2, "running": 1, "exit_code": 0, "uses": "cgroup", "group": "/g", "because": "b",
    "processes": [{"pid": 8, "state": "D", "name": "dd", "start": 1}],
}  # fmt: skip


@pytest.mark.parametrize("event", EVENTS)
def test_the_words_are_made_of_the_facts_in_the_table(event: str) -> None:
    """And of no others."""
    facts = {name: FACTS[name] for name in EVENTS[event].facts}
    said = sentence(Notice(event, facts))

    assert not said.startswith(event + " ")
    assert EVENTS[event].level in LEVELS


def test_words_that_miss_a_fact_do_not_end_a_worker() -> None:
    """Its facts are shown instead."""
    assert sentence(Notice("job_claimed", {"phase": "noop"})) == "job_claimed phase=noop"
    assert sentence(Notice("containment", {"uses": "subreaper", "because": "none"})).endswith("groups: none")


@pytest.mark.parametrize(
    ("event", "facts", "words"),
    [
        ("stopping", {"stage": 1, "running": 0}, "stopping; no job runs"),
        (
            "stopping",
            {"stage": 1, "running": 2},
            "stopping, no new jobs; waiting for 2 jobs; Ctrl-C again (or TERM) asks them to stop",
        ),
        ("stopping", {"stage": 2, "running": 1}, "stopping, asking 1 job to stop; once more kills them"),
        ("stopping", {"stage": 3, "running": 1}, "stopping, killing 1 job"),
        ("draining", {"running": 0}, "taking no more jobs"),
        ("draining", {"running": 2}, "taking no more jobs; ends after 2 running jobs"),
    ],
)
def test_a_worker_that_ends_says_what_it_waits_for(event: str, facts: dict[str, int], words: str) -> None:
    """And what one does who cannot wait."""
    assert sentence(Notice(event, facts)) == words


def test_the_end_of_a_job_is_one_sentence() -> None:
    """Although the error is one, too."""
    facts = {**FACTS, "error": "It was shut down.", "phase": "nap"}

    assert sentence(Notice("job_ended", facts)) == "job J nap failed (stuck): It was shut down; K follows"


def _read_to_the_end(terminal: int) -> bytes:
    """The kernel gives what it has, perhaps less than was written; closes the terminal."""
    parts: list[bytes] = []
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while part := os.read(terminal, 4096):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts)


def test_on_a_terminal_most_lines_fit_80_columns() -> None:
    """The date stands on a line of its own, and again when it changes; elsewhere it is in each line."""
    facts = {"job_id": "0" * 26, "plan_id": "0" * 26, "phase": "execute"}
    ended = {**facts, "status": "cancelled", "reason": "cancelled", "error": None, "next_job": None}
    notices = [Notice("job_claimed", facts), Notice("job_ended", ended)]
    master, slave = pty.openpty()
    log = WorkerLog(slave, "info", as_json=False)
    for notice in notices:
        log(notice)
    os.close(slave)
    lines = _read_to_the_end(master).decode().splitlines()

    assert [re.sub("[0-9]", "9", line) for line in lines] == [
        "9999-99-99, times are UTC",
        f"99:99:99 job {'9' * 26} execute claimed",
        f"99:99:99 job {'9' * 26} execute cancelled (cancelled)",
    ]
    assert max(map(len, lines)) <= 80
