"""The table of exit codes, each of its meanings come to by a command."""

from __future__ import annotations

import pytest
from support.agents import Agents
from support.supervisor import Supervisor

from agentsd.errors import ExitCode


@pytest.fixture
def ended(agents: Agents, worker: Supervisor) -> dict[str, str]:
    """A job for each way to end that has a code of its own."""
    jobs = {
        "good": agents.enqueue("noop"),
        "bad": agents.enqueue("raise"),
        "slow": agents("job", "enqueue", "sleep", "--payload", '{"seconds": 600}', "--timeout", "0.1 s").out,
        "stopped": agents("job", "enqueue", "noop", "--hold").out,
        "waiting": agents("job", "enqueue", "noop", "--hold").out,
    }
    jobs = {name: job_id.strip() for name, job_id in jobs.items()}
    agents("job", "cancel", jobs["stopped"])
    agents("job", "wait", jobs["good"], jobs["bad"], jobs["slow"])
    return jobs


TABLE: tuple[tuple[str, ExitCode], ...] = (
    ("job list", ExitCode.OK),
    ("job wait {good}", ExitCode.OK),
    ("job wait {bad}", ExitCode.ERROR),
    ("job wait {slow}", ExitCode.TIMED_OUT),
    ("job wait {stopped}", ExitCode.CANCELLED),
    ("job wait {waiting} --timeout 0", ExitCode.TIMED_OUT),
    ("job wait {good} {bad}", ExitCode.ERROR),
    ("job wait {bad} {slow} {stopped}", ExitCode.CANCELLED),
    ("job show", ExitCode.USAGE),
    ("job show short", ExitCode.USAGE),
    ("job enqueue nonsense", ExitCode.USAGE),
    ("job list --limit many", ExitCode.USAGE),
    ("config set async.max_workers none", ExitCode.USAGE),
    ("job show ZZZZZZ", ExitCode.NOT_FOUND),
    ("plan execute ZZZZZZ", ExitCode.NOT_FOUND),
    ("worker drain ZZZZZZ", ExitCode.NOT_FOUND),
    ("job cancel {good}", ExitCode.CONFLICT),
    ("job hold {good}", ExitCode.CONFLICT),
    ("job retry {waiting}", ExitCode.CONFLICT),
    ("job enqueue noop --after {bad}", ExitCode.CONFLICT),
    ("job release {waiting} {good}", ExitCode.CONFLICT),
)


def test_each_code_means_what_the_table_says(agents: Agents, ended: dict[str, str]) -> None:
    """The same in the envelope for programs; every code of the table is come to."""
    got: list[tuple[str, int]] = []
    for words, _ in TABLE:
        command = words.format_map(ended).split()
        code = agents(*command).code
        assert agents(*command, "--format", "json").envelope["exit_code"] == code, words
        got.append((words, code))

    assert got == [(words, int(code)) for words, code in TABLE]
    assert {code for _, code in TABLE} == set(ExitCode)
