"""Whoever waits for a job is told, once, if it waits for something that does not come by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agentsd.cli.worker.health import abandoned
from agentsd.model import AsyncJob, AsyncJobStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentsd.supervisor.client import Client

EVERY = 2.0
"""Seconds between two looks at the workers."""


def unattended(client: Client, job: AsyncJob) -> str:
    """Why *job* will not end as things are, and what to do, in a sentence; empty if it may."""
    if job.status.is_terminal:
        return ""
    if job.status is AsyncJobStatus.RUNNING:
        if not abandoned(client, [job]):
            return ""
        return (
            f"The worker of job {job.job_id} is gone. The next worker to start ends the job; "
            f"`agents job cancel {job.job_id}` does it now."
        )
    if job.held_at is not None:
        return f"Job {job.job_id} is held. `agents job release {job.job_id}` lets it start."
    if client.live_workers():
        return ""
    return f"No worker is running, so job {job.job_id} waits. Start one: agents worker start"


class Attendance:
    """Looks after jobs that somebody waits for, and says of each once why it will not end."""

    def __init__(self, client: Client, say: Callable[[str], None]) -> None:
        """*say* gets each sentence."""
        self._client, self._say = client, say
        self._said: set[str] = set()
        self._next = dict[str, float]()

    def look(self, job: AsyncJob) -> None:
        """Look at one job, at most every :data:`EVERY` seconds."""
        now = time.monotonic()
        if job.job_id in self._said or now < self._next.get(job.job_id, 0.0):
            return
        self._next[job.job_id] = now + EVERY
        if words := unattended(self._client, job):
            self._said.add(job.job_id)
            self._say(words)
