"""Many jobs at once: ``agents job enqueue --from-jsonl``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.agents import Agents

from agentsd.cli.job import batch


def lines(*jobs: object) -> str:
    """JSON lines."""
    return "".join(json.dumps(job) + "\n" for job in jobs)


def queued(agents: Agents) -> int:
    """How many jobs are queued."""
    return agents.ask("job", "list")["summary"]["queued"]


def test_a_job_for_each_line_in_their_order(agents: Agents) -> None:
    """Ids on stdout, one a line; what a line does not say, the options say."""
    first = agents.enqueue("noop")
    text = lines(
        {"payload": 1},
        {"payload": {"a": 2}, "priority": 5, "timeout": "2 m", "hold": True},
        {"after": first[:20]},
    )
    said = agents("job", "enqueue", "echo", "--from-jsonl", "-", "--priority", "1", stdin=text + "\n")

    assert said.code == 0
    shown = [agents.ask("job", "show", ident) for ident in said.out.split()]
    assert [(job["payload"], job["priority"], job["timeout"]) for job in shown] == [
        (1, 1, None), ({"a": 2}, 5, 120.0), (None, 1, None),
    ]  # fmt: skip
    assert [bool(job["held_at"]) for job in shown] == [False, True, False]
    assert [job["waits_for"] for job in shown] == [None, None, first]


def test_thousands_are_one_transaction(agents: Agents, tmp_path: Path) -> None:
    """From a file, too."""
    file = tmp_path / "jobs.jsonl"
    file.write_text(lines(*({"payload": number} for number in range(3000))))
    said = agents("job", "enqueue", "noop", "--from-jsonl", str(file), "--format", "jsonl")

    assert len({json.loads(line)["job_id"] for line in said.out.splitlines()}) == 3000
    assert queued(agents) == 3000
    with agents.home.connect() as client:
        assert len(set(client.db.read("SELECT at FROM job_events"))) == 1


@pytest.mark.parametrize(
    ("bad", "code", "words"),
    [
        ("{", 2, "expected a JSON object, got 'unexpected end"),
        ("[1]", 2, 'expected a JSON object such as {"payload": …}, got [1]'),
        ('{"payloud": 1}', 2, "Did you mean 'payload'?"),
        ('{"priority": "high"}', 2, "priority: expected a whole number of 32 bits, got 'high'"),
        ('{"priority": true}', 2, "priority: expected a whole number of 32 bits, got True"),
        ('{"priority": 4294967296}', 2, "priority: expected a whole number of 32 bits"),
        ('{"hold": 1}', 2, "hold: expected true or false, got 1"),
        ('{"timeout": "soon"}', 2, "timeout: expected seconds"),
        ('{"timeout": 0}', 2, "timeout: expected seconds above 0, got 0"),
        ('{"after": "ZZZZZZ"}', 3, "There is no job 'ZZZZZZ'"),
    ],
)
def test_one_bad_line_is_named_and_nothing_is_queued(agents: Agents, bad: str, code: int, words: str) -> None:
    """Whatever is wrong with it; empty lines count."""
    said = agents("job", "enqueue", "noop", "--from-jsonl", "-", stdin='{"payload": 1}\n\n' + bad)

    assert (said.code, said.out) == (code, "")
    assert "stdin, line 3: " in said.err
    assert words in said.err
    assert queued(agents) == 0


def test_what_only_the_store_sees_rolls_all_back(agents: Agents) -> None:
    """A job to wait for that has failed by then."""
    gone = agents.enqueue("noop")
    agents("job", "cancel", gone)
    said = agents("job", "enqueue", "noop", "--from-jsonl", "-", stdin=lines({}, {"after": gone}))

    assert said.code == 4
    assert "stdin, line 2: " in said.err
    assert "Nothing was queued." in said.err
    assert queued(agents) == 0


def test_a_key_is_queued_once(agents: Agents) -> None:
    """Against the store, and against the lines before."""
    text = lines({"key": "a"}, {"key": "b"}, {"key": "a"})
    first = agents("job", "enqueue", "noop", "--from-jsonl", "-", "--format", "json", stdin=text)
    again = agents("job", "enqueue", "noop", "--from-jsonl", "-", "--format", "json", stdin=text)

    assert [job["created"] for job in first.data["jobs"]] == [True, True, False]
    assert [job["created"] for job in again.data["jobs"]] == [False, False, False]
    assert queued(agents) == 2


def test_what_is_of_one_job_only_is_refused(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload, a key, a plan's phase; too many lines; no file."""
    for option in ("--payload", "--key"):
        assert agents("job", "enqueue", "noop", "--from-jsonl", "-", option, "1").code == 2
    refused = agents("job", "enqueue", "execute", "--from-jsonl", "-", stdin="{}")
    assert (refused.code, "a plan has one active job" in refused.err) == (2, True)
    assert agents("job", "enqueue", "noop", "--from-jsonl", "/nowhere").code == 2
    assert "nothing was queued" in agents("job", "enqueue", "noop", "--from-jsonl", "-").err
    monkeypatch.setattr(batch, "MOST", 2)
    assert "Split it." in agents("job", "enqueue", "noop", "--from-jsonl", "-", stdin=lines({}, {}, {})).err
    assert queued(agents) == 0
