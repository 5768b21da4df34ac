"""The public Python API: what `import agentsd` gives, and the helpers for testing handlers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import agentsd
from agentsd import Client, JobContext, connect
from agentsd.errors import JobCancelled
from agentsd.model import JSON
from agentsd.testing import job_context, temporary_state
from agentsd.workers.token import CancellationToken


def test_public_names_come_on_first_use() -> None:
    """Each is there; a name that is not says so."""
    assert [agentsd.__name__, "AsyncJob", "AsyncJobStatus"] == [
        "agentsd",
        agentsd.AsyncJob.__name__,
        agentsd.AsyncJobStatus.__name__,
    ]
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = agentsd.nonsense  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]


def test_completion_knows_names_that_were_not_used_yet() -> None:
    """In an interactive interpreter, as for any module."""
    program = "import agentsd; print('Client' in dir(agentsd), 'Client' in vars(agentsd))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "True False\n" == done.stdout


def test_a_client_enqueues_looks_and_cancels() -> None:
    """The whole of the API that needs no supervisor."""
    with temporary_state() as state, connect(state) as client:
        assert isinstance(client, Client)
        job = client.enqueue("echo", payload={"a": 1}, priority=2)
        outcome = client.cancel(job.job_id, reason="only looking")
        again = client.retry(job.job_id)

        assert state == client.state
        assert outcome.acknowledged
        assert "cancelled_before_start" == outcome.job.reason
        assert [again, outcome.job] == client.list()
        assert [again] == client.list(statuses=["queued"])
        assert ["queued", "cancelled"] == [event.to_status for event in client.events(job.job_id)]
        assert client.live_workers() == []


def test_a_handler_runs_inline() -> None:
    """With a real tool, progress as JSON, and a payload that has been through JSON."""

    def handler(job: JobContext) -> JSON:
        with job.shield():
            job.progress({"seen": job.payload})
        return job.run(["sh", "-c", "exit 3"]).exit_code

    seen: list[JSON] = []
    with job_context({"a": (1, 2)}, on_progress=seen.append) as job:
        assert 3 == handler(job)
        assert job.token is job.token
        assert job.plan is None
    assert [{"seen": {"a": [1, 2]}}] == seen


def test_a_handler_can_be_given_a_token_that_is_set() -> None:
    """To see what it does when it is cancelled."""
    code = (
        "import os, signal\n"
        "from agentsd.workers.token import CancellationToken\n"
        "from agentsd.testing import job_context\n"
        "from agentsd.errors import JobCancelled\n"
        "token = CancellationToken(); token.install(); os.kill(os.getpid(), signal.SIGTERM)\n"
        "with job_context(token=token) as job:\n"
        "    try:\n"
        "        with job.shield(): print('not reached')\n"
        "    except JobCancelled as why: print('cancelled:', why)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "cancelled: cancelled\n" == done.stdout
    assert issubclass(JobCancelled, BaseException)
    assert not CancellationToken().is_set


def test_python_dash_m_is_the_command() -> None:
    """`python -m agentsd` does what `agents` does."""
    done = subprocess.run(
        [sys.executable, "-m", "agentsd", "--version"], capture_output=True, text=True, check=True
    )

    assert agentsd.__version__ in done.stdout
