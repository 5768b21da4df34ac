"""What ending a running job would hit, and what of it cannot be ended."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agentsd.model import JSON, AsyncJob
from agentsd.workers.process import descendants, name, start_ticks, state

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

STATES = {
    "D": "in uninterruptible sleep",
    "R": "running",
    "S": "sleeping",
    "T": "stopped",
    "Z": "dead, but not collected",
}


class Member(NamedTuple):
    """One process of a job's tree."""

    pid: int
    state: str
    title: str

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object."""
        return self._asdict()


def tree_of(client: Client, job: AsyncJob) -> list[Member]:
    """The job's process and everything below it, as far as this machine can see it."""
    from agentsd.store import workers  # noqa: PLC0415 - loaded with the client
    from agentsd.supervisor.remnants import identity_of  # noqa: PLC0415

    owner = workers.get(client.db, job.worker_id) if job.worker_id else None
    if owner is None or not identity_of(owner).is_here() or job.pid is None:
        return []
    if start_ticks(job.pid) != job.pid_start:
        return []
    return [
        Member(pid, found, _title(pid)) for pid in (job.pid, *descendants(job.pid)) if (found := state(pid))
    ]


def is_over(client: Client, job: AsyncJob) -> bool:
    """Whether the process of a job that is called running is gone, as far as that can be seen from here."""
    from agentsd.store import workers  # noqa: PLC0415 - loaded with the client
    from agentsd.supervisor.remnants import identity_of  # noqa: PLC0415

    owner = workers.get(client.db, job.worker_id) if job.worker_id else None
    here = owner is not None and identity_of(owner).is_here()
    return here and job.pid is not None and start_ticks(job.pid) != job.pid_start


def _title(pid: int) -> str:
    try:
        words = (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        )
    except OSError:
        words = ""
    return words or f"[{name(pid)}]"


def what_a_cancel_hits(members: Iterable[Member]) -> Iterable[str]:
    """Lines on a running job's processes."""
    return _listed(members, "A cancel would end its process:", "A cancel would end these {} processes:")


def what_is_left(members: Iterable[Member]) -> Iterable[str]:
    """Lines on the processes of a job that is being ended."""
    return _listed(members, "Its process is still there:", "These {} processes of it are still there:")


def _listed(members: Iterable[Member], one: str, several: str) -> Iterable[str]:
    listed = list(members)
    if listed:
        yield one if len(listed) == 1 else several.format(len(listed))
        yield from (f"    {member.pid}  {member.state}  {member.title}" for member in listed)


def unkillable(client: Client, job: AsyncJob) -> str:
    """A sentence on processes of a running job that KILL did not end and that are still there; empty without."""
    told: list[dict[str, Any]] = [
        process
        for event in client.events(job.job_id)
        if event.detail.get("event") == "unkillable"
        for process in event.detail["processes"]
    ]
    left = {each["pid"]: each for each in told if start_ticks(each["pid"]) == each["start"]}
    if not left:
        return ""
    words = [f"{pid} ({each['name']}, {_state_words(pid, each)})" for pid, each in left.items()]
    return f"{', '.join(words)} was killed and does not end; {_what_holds(list(left))}."


def _what_holds(pids: list[int]) -> str:
    """Why KILL did not end these, as far as their state tells."""
    if all(state(pid) == "Z" for pid in pids):
        return "a debugger (`gdb`, `strace`) follows it and has not let it go"
    if any(state(pid) == "D" for pid in pids):
        return "the kernel holds it, as for a device or a file system that does not answer"
    return "it may have become another user, as with `sudo`, or the kernel holds it"


def _state_words(pid: int, told: dict[str, Any]) -> str:
    letter = state(pid) or told["state"]
    return f"state {letter}, {STATES.get(letter, 'unknown')}"
