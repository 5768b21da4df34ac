"""Ending what a dead supervisor left: its jobs' processes, found by identity and by the marker they carry.

Only both of supervisor and spawner killed in the same instant leaves anything. The marker
``AGENTS_WORKER_ID`` stands in the environment of every descendant since before it was forked; a remnant
carries it, belongs to this user and started no earlier than the dead supervisor.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from agentsd.model import AsyncJob, Worker
from agentsd.workers.cgroup import NoGroupError, group_of, kill_all, remove
from agentsd.workers.delegation import find_worker_groups
from agentsd.workers.identity import Identity, boot_id, pid_namespace
from agentsd.workers.process import kill_identified, marked, start_ticks, state

ROUND_PAUSE = 0.01
"""Seconds between rounds of a sweep by marker; each reads the environment of every process of this user."""


def identity_of(worker: Worker) -> Identity:
    """The process that a row stands for."""
    return Identity(worker.boot_id, worker.pid_namespace, worker.pid, worker.pid_start)


def is_reachable(worker: Worker) -> bool:
    """Whether this process can see and end what that supervisor left: same host, boot, pid namespace, user."""
    return identity_of(worker).is_here() and worker.uid in (os.getuid(), 0) and os.getuid() in (worker.uid, 0)


def is_provably_dead(worker: Worker) -> bool:
    """Whether that very process is gone for certain. False where this process cannot know."""
    same_host = worker.host == os.uname().nodename
    if same_host and worker.boot_id != boot_id() and worker.pid_namespace == pid_namespace():
        return True  # the host was started anew since
    identity = identity_of(worker)
    return identity.is_here() and not identity.is_alive()


def remove_socket(worker: Worker) -> None:
    """Remove the wake-up socket that a killed supervisor left; nobody listens there any more."""
    if (
        worker.socket_path
        and is_reachable(worker)
        and (path := Path(worker.socket_path)).stem == worker.worker_id
    ):
        with contextlib.suppress(OSError):  # it is in nobody's way
            path.unlink()


def is_stopped(worker: Worker) -> bool:
    """Whether that very process is here and stopped, by SIGSTOP or a debugger."""
    identity = identity_of(worker)
    return is_reachable(worker) and identity.is_alive() and state(worker.pid) in ("T", "t")


def end_round(worker: Worker, jobs: Iterable[AsyncJob]) -> list[int]:
    """KILL everything that is left of a dead supervisor and these jobs of it; returns what was found.

    Each process is opened by pidfd and looked at again before it is signalled, so that a pid that was
    reused in between is not hit. Finding none is the proof that none is left.
    """
    if worker.boot_id != boot_id():
        return []  # what ran before this boot does not run now
    me = os.getpid()
    in_groups = [pid for group in find_worker_groups(worker.worker_id) for pid in _end_group(group)]
    found: list[int] = []
    for pid in marked(worker.worker_id):
        start = start_ticks(pid)
        # One that is gone by now counts, too: it may have forked before.
        if pid != me and (start is None or start >= worker.pid_start):
            found.append(pid)
            kill_identified(pid)
    leaders = [(job.pid, job.pid_start) for job in jobs if job.pid is not None]
    found += [
        pid
        for pid, start in leaders
        if pid not in (me, *found) and start_ticks(pid) == start and kill_identified(pid)
    ]
    return list(dict.fromkeys(in_groups + found))


def _end_group(group: Path) -> list[int]:
    """KILL what is in a dead worker's control group, or remove it; returns what was there.

    The one thing that the marker cannot find is a process whose environment was wiped; the group has it.
    """
    with contextlib.suppress(NoGroupError):
        if Path(group_of()).is_relative_to(group):
            return []  # this process was started by a job of that worker: the marker finds the others
    killed = kill_all(group)
    if not killed:
        remove(group)
    return killed


def end_all(worker: Worker, jobs: Iterable[AsyncJob], seconds: float) -> bool:
    """Rounds until nothing is left; returns False if *seconds* passed first."""
    known = list(jobs)
    deadline = time.monotonic() + seconds
    while end_round(worker, known):
        if time.monotonic() >= deadline:
            return False
        time.sleep(ROUND_PAUSE)
    return True
