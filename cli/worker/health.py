"""How a worker is, as far as can be seen from here."""

from __future__ import annotations

from agentsd.cli.words import seconds_between
from agentsd.model import Worker


def health_of(worker: Worker) -> str:
    """``alive``, ``draining``, ``silent`` (no beat for its TTL), ``dead`` (its process is gone), ``stopped``, ``lost``.

    The wall clock is good enough to tell a person; nothing is ever ended because of it.
    """
    from agentsd.supervisor.takeover import is_dead  # noqa: PLC0415 - loaded with the client

    if worker.ended_at is not None:
        return worker.state
    if is_dead(worker):
        return "dead"
    if seconds_between(worker.last_heartbeat) > worker.ttl:
        return "silent"
    return "draining" if worker.state == "draining" else "alive"
