"""Real supervisors under a schedule: at any time all but one are stopped, and the tables are audited throughout.

Who was stopped for a TTL is buried by who acts, wakes up later in the middle of whatever it did, and has to
give way. The order of it all comes from a seed.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable

import pytest
from support.machine.audit import TERMINAL, Audit
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.errors import InvalidTransitionError
from agentsd.model import AsyncJob, AsyncJobStatus
from agentsd.workers.process import state

ROUNDS = 8
PHASES = (("noop", None), ("tree", {"then": "return"}), ("crash", None), ("sleep", {"seconds": 0.2}))


class Crew:
    """Two supervisors, of which one acts."""

    def __init__(
        self, client: Client, audit: Audit, start: Callable[[], Supervisor], dice: random.Random
    ) -> None:
        self._client, self._audit, self._start, self._dice = client, audit, start, dice
        self._members = [start(), start()]
        self.gave_way = 0

    def turn(self) -> None:
        """Stop all but one, and let that one end some jobs."""
        acting = self._dice.choice(self._members)
        for member in self._members:
            (member.thaw if member is acting else member.freeze)()
        jobs = [self._enqueue() for _ in range(self._dice.randint(1, 3))]
        if self._dice.random() < 0.5:
            self._cancel(self._dice.choice(jobs))
        eventually(lambda: self._have_ended(jobs), 30, lambda: f"{jobs} end; it said:\n{acting.said}")
        if self._dice.random() < 0.4:
            eventually(self._has_buried_all, 30, lambda: f"the stopped are buried; it said:\n{acting.said}")

    def _has_buried_all(self) -> bool:
        self._audit.look()
        return len(self._client.live_workers()) == 1

    def _enqueue(self) -> AsyncJob:
        phase, payload = self._dice.choice(PHASES)
        job = self._client.enqueue(phase, payload=payload, priority=self._dice.randint(-1, 1))
        self._audit.acknowledged.add(job.job_id)
        return job

    def _cancel(self, job: AsyncJob) -> None:
        try:
            self._client.cancel(job.job_id)
        except InvalidTransitionError:  # it was faster
            return

    def _have_ended(self, jobs: list[AsyncJob]) -> bool:
        self._replace_who_gave_way()
        self._audit.look()
        return all(self._audit.rows[job.job_id].status in TERMINAL for job in jobs)

    def _replace_who_gave_way(self) -> None:
        """Who was declared lost while it was stopped ends with exit code 1, and another one takes its place."""
        for gone in [member for member in self._members if member.process.poll() is not None]:
            # KILL if it was stopped in the middle of a transaction, where it was in everybody's way.
            assert gone.process.returncode in (1, -signal.SIGKILL), gone.said
            assert gone.process.returncode < 0 or "declared this one lost" in gone.said
            self.gave_way += 1
            self._members[self._members.index(gone)] = self._start()

    def wake_up(self) -> None:
        """All go on, and what is left ends."""
        for member in self._members:
            member.thaw()
        eventually(self._all_has_ended, 30, lambda: f"everything ends: {self._audit.rows}")

    def _all_has_ended(self) -> bool:
        self._replace_who_gave_way()
        self._audit.look()
        return all(row.status in TERMINAL for row in self._audit.rows.values())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_acts_and_the_others_are_stopped(
    client: Client, start: Callable[..., Supervisor], seed: int
) -> None:
    """Nothing is lost, nothing ends twice, and who was buried gives way."""

    def one() -> Supervisor:
        return start(
            job_ttl="1 s", poll_interval="0.05 s", max_workers=2, max_attempts=2, cancel_grace="0.3 s"
        )

    audit = Audit(client.db, max_attempts=2)
    crew = Crew(client, audit, one, random.Random(seed))  # noqa: S311 - no secret
    for _ in range(ROUNDS):
        crew.turn()
    crew.wake_up()

    assert crew.gave_way > 0
    assert audit.acknowledged <= audit.rows.keys()


def test_who_is_stopped_in_a_transaction_is_in_nobodys_way(
    client: Client, start: Callable[..., Supervisor]
) -> None:
    """It holds the writer mutex for as long as it is stopped: whoever buries it ends it."""
    stopped = start(job_ttl="1 s", poll_interval="0.05 s")
    heir = start()

    def is_stopped_in_a_transaction() -> bool:
        stopped.freeze()
        eventually(lambda: state(stopped.pid) == "T", 5, "it is stopped")
        if client.db.mutex.holder_pid() == stopped.pid:
            return True
        stopped.thaw()
        client.enqueue("noop")
        return False

    eventually(is_stopped_in_a_transaction, 60, "the supervisor is stopped in a transaction")
    eventually(
        lambda: stopped.process.poll() is not None, 30, lambda: f"it is ended; its heir said:\n{heir.said}"
    )
    job = client.enqueue("noop")

    assert AsyncJobStatus.SUCCEEDED == client.wait(job.job_id, timeout=20).status
    assert -signal.SIGKILL == stopped.process.returncode
