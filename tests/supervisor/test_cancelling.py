"""Cancelling many jobs at once: a few transactions, and every job goes its own way."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable

import pytest
from support.home import Home
from support.operator import AGENTS
from support.processes import is_alive
from support.supervisor import Supervisor

from agentsd import Client, Wishes
from agentsd.errors import AgentsError, InvalidInputError, InvalidTransitionError, NotFoundError
from agentsd.model import AsyncJob, AsyncJobStatus, Reason
from agentsd.supervisor.cancelling import SLICE, CancelOutcome

Begin = Callable[..., AsyncJob]
Start = Callable[..., Supervisor]


def fill(client: Client, number: int) -> list[str]:
    """So many queued jobs."""
    return [job.job_id for job, _ in client.enqueue_many("noop", [(None, Wishes())] * number)]


def summary(found: list[CancelOutcome | AgentsError]) -> list[object]:
    """The status of each job, or what kind of error stands in its place."""
    return [each.job.status if isinstance(each, CancelOutcome) else type(each) for each in found]


def test_many_jobs_are_a_few_transactions(client: Client) -> None:
    """Each has an event of its own, and what one transaction wrote bears one time."""
    ids = fill(client, 2 * SLICE + 1)

    found = client.cancel_many(ids, reason="all of them")

    assert Counter({AsyncJobStatus.CANCELLED: len(ids)}) == Counter(summary(found))
    ends = [client.events(job_id)[1:] for job_id in ids]
    assert {1} == {len(events) for events in ends}
    assert {("cancelled", Reason.CANCELLED_BEFORE_START, "all of them")} == {
        (event.to_status, event.reason, event.detail["why"]) for (event,) in ends
    }
    assert [SLICE, SLICE, 1] == list(Counter(event.at for (event,) in ends).values())


def test_every_job_has_an_outcome_of_its_own(client: Client, begin: Begin, start: Start) -> None:
    """One that cannot be cancelled keeps no other from it; a running one is asked for, and its owner ends it."""
    start(max_workers=1)
    ended = client.enqueue("noop")
    client.wait(ended.job_id)
    running = begin("sleep", {"seconds": 600})
    queued, held = client.enqueue("noop"), client.enqueue("noop", hold=True)
    ids = [queued.job_id, ended.job_id, "0" * 26, held.job_id, queued.job_id, running.job_id]

    found = client.cancel_many(ids, reason="enough")

    assert [
        *(AsyncJobStatus.CANCELLED, InvalidTransitionError, NotFoundError),
        *(AsyncJobStatus.CANCELLED, InvalidTransitionError),
    ] == summary(found[:-1])
    assert isinstance(found[-1], CancelOutcome)
    assert found[-1].acknowledged
    assert Reason.CANCELLED == client.wait(running.job_id).reason
    assert ["queued", "cancelled"] == [event.to_status for event in client.events(queued.job_id)]
    assert "cancel" in [event.detail.get("requested") for event in client.events(running.job_id)]
    assert [] == client.cancel_many([])
    with pytest.raises(InvalidInputError, match="such as TERM"):
        client.cancel_many(ids, signal="NOISE")


@pytest.mark.parametrize(("fault", "code", "cancelled"), [("full", 1, SLICE + 1), ("kill", -9, SLICE)])
def test_a_transaction_that_fails_cancels_none_of_its_jobs(
    client: Client, home: Home, fault: str, code: int, cancelled: int
) -> None:
    """A full disk fails the second of three, or whoever cancels is killed there. What came before stays so."""
    ids = fill(client, 2 * SLICE + 1)
    environ = {**home.environ, "AGENTS_FAULTS": f"cancel.commit={fault}@2"}

    done = subprocess.run(
        [AGENTS, "job", "cancel", "--all"], env=environ, capture_output=True, text=True, check=False
    )

    jobs = {job.job_id: job.status for job in client.list()}
    left = [job_id for job_id in ids if jobs[job_id] is AsyncJobStatus.QUEUED]
    assert code == done.returncode
    assert cancelled == len(ids) - len(left)
    assert {1} == {len(client.events(job_id)) for job_id in left}
    if fault == "full":
        assert SLICE == done.stderr.count("the disk is full")
        assert done.stderr.endswith(f"{len(ids)} jobs: {cancelled} cancelled, {SLICE} not cancelled.\n")


def test_all_jobs_of_a_dead_worker_are_cancelled(client: Client, begin: Begin, start: Start) -> None:
    """The first one that is seen to buries them all, and each was asked for: none is lost to its worker's death."""
    supervisor = start(max_workers=2)
    jobs = [begin("tree", {"then": "stubborn"}, progress=True) for _ in range(2)]
    supervisor.kill_with_spawner()

    found = client.cancel_many([job.job_id for job in jobs])

    assert [AsyncJobStatus.CANCELLED] * 2 == summary(found)
    assert [Reason.CANCELLED] * 2 == [client.get(job.job_id).reason for job in jobs]
    assert [False] * 2 == [is_alive(job.pid or 0) for job in jobs]
