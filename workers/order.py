"""The order to run one job: what a supervisor tells a spawner, and a spawner the process that it forks."""

from __future__ import annotations

from typing import NamedTuple

from agentsd.workers.link import Message


class Order(NamedTuple):
    """One job to run. ``timeout`` and ``grace`` are seconds, ``log_limit`` bytes.

    ``handler`` is ``module:attribute``. What only the job needs (payload, plan, options) travels beside the
    order as JSON that the spawner does not read.
    """

    job_id: str
    plan_id: str
    phase: str
    attempt: int
    handler: str
    title: str
    timeout: float
    grace: float
    state_root: str
    log_dir: str
    log_limit: int
    limits: dict[str, int]
    """What the job process and each process below it may use: ``memory`` (bytes), ``cpu`` (seconds), ``open_files``,
    ``nice``; one that is missing is not limited."""

    def to_message(self) -> Message:
        """As the header of a message."""
        return {"op": "fork", "order": [*self]}

    @classmethod
    def from_message(cls, message: Message) -> Order:
        """From the header of a message."""
        return cls._make(message["order"])
