"""What stands in the history of a job is documented: every detail of many kinds of histories."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.home import Home
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd import Client

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "events.md"


@pytest.mark.slow
def test_every_detail_of_a_history_is_documented(home: Home) -> None:
    """Jobs are held, moved, chained, cancelled, forced, timed out, crashed and lost; what is written then has a row."""
    home.set("async.cancel_grace", "0.5")
    documented = set(
        re.findall(r"^\| `(\w+)` \|", PAGE.read_text().partition("\n## Of a job\n")[2], re.MULTILINE)
    )
    supervisor, second = Supervisor(home).start(), None
    try:
        with home.connect() as client:
            steered(client)
            ended(client)
            stuck = begun(client, "cooperative")
            supervisor.freeze()
            client.cancel(stuck, reason="it hangs", force=True)
            supervisor.thaw()
            orphan = begun(client, "sleep", seconds=600)
            supervisor.kill_with_spawner()
            second = Supervisor(home).start()
            eventually(lambda: client.get(orphan).status.is_terminal, 30, "the lost job is ended")
            written = {
                name for job in client.list() for event in client.events(job.job_id) for name in event.detail
            }
    finally:
        supervisor.end()
        if second is not None:
            second.end()

    assert written - documented == set()
    assert {
        "ladder",
        "stack",
        "held",
        "may_start_after",
        "forced_by",
        "verified",
        "last_lines",
        "why",
    } <= written


def begun(client: Client, phase: str, **payload: object) -> str:
    """A job that runs; its id."""
    job = client.enqueue(phase, payload=payload)
    eventually(lambda: client.get(job.job_id).pid, 20, f"{phase} runs")
    return job.job_id


def steered(client: Client) -> None:
    """Jobs that are held, released, moved, chained, cancelled before they start, and tried again."""
    first = client.enqueue("noop", hold=True)
    client.enqueue("noop", after=first.job_id)
    client.set_priority(first.job_id, 3)
    doomed = client.enqueue("raise", hold=True)
    client.enqueue("noop", after=doomed.job_id)
    client.release(first.job_id)
    client.release(doomed.job_id)
    client.cancel(client.enqueue("noop", hold=True).job_id, reason="not needed")
    client.retry(client.wait(doomed.job_id, timeout=30).job_id)


def ended(client: Client) -> None:
    """Jobs that are cancelled, run out of time in native code, and crash."""
    client.cancel(begun(client, "ignore-term"), reason="enough", signal="INT")
    client.wait(client.enqueue("hang-native", timeout=0.5).job_id, timeout=30)
    client.wait(client.enqueue("crash", payload={"signal": "SIGSEGV"}).job_id, timeout=30)
