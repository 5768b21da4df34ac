"""The order to run one job: what a supervisor tells a spawner, and a spawner the process that it forks."""

from __future__ import annotations

from collections import namedtuple

from agentsd.workers.link import Message

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from typing import NamedTuple

    class _Fields(NamedTuple):
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
else:
    _Fields = namedtuple(
        "_Fields",
        "job_id plan_id phase attempt handler title timeout grace state_root log_dir log_limit limits",
    )


class Order(_Fields):
    """One job to run. ``timeout`` and ``grace`` are seconds, ``log_limit`` bytes.

    ``handler`` is ``module:attribute``. ``limits`` is what the job process and each process below it may use: ``memory``
    (bytes), ``cpu`` (seconds), ``open_files``, ``nice``; one that is missing is not limited. What only the job needs
    (payload, plan, options) travels beside the order, and the spawner does not read it.
    """

    __slots__ = ()

    def to_message(self) -> Message:
        """As the header of a message."""
        return {"op": "fork", "order": [*self]}

    @classmethod
    def from_message(cls, message: Message) -> Order:
        """From the header of a message."""
        return cls._make(message["order"])
