"""Ending what a dead supervisor left: its jobs' processes, found by identity and by the marker they carry.

Only both of supervisor and spawner killed in the same instant leaves anything. The marker
``AGENTS_WORKER_ID`` stands in the environment of every descendant since before it was forked; a remnant
carries it, belongs to this user and started no earlier than the dead supervisor.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

from agentsd.model import AsyncJob, Worker
from agentsd.workers.process import LINUX, Identity, boot_id, marked, pid_namespace, start_ticks, state

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


def end_round(worker: Worker, jobs: Iterable[AsyncJob]) -> list[int]:
    """KILL everything that is left of a dead supervisor and these jobs of it; returns what was found.

    Each process is opened by pidfd and looked at again before it is signalled, so that a pid that was
    reused in between is not hit. Finding none is the proof that none is left.
    """
    if worker.boot_id != boot_id():
        return []  # what ran before this boot does not run now
    found = [pid for pid in marked(worker.worker_id) if (start_ticks(pid) or 0) >= worker.pid_start]
    leaders = [(job.pid, job.pid_start) for job in jobs if job.pid is not None]
    found += [
        pid for pid, start in leaders if pid not in found and start_ticks(pid) == start and state(pid) != "Z"
    ]
    me = os.getpid()
    return [pid for pid in found if pid != me and kill(pid)]


def end_all(worker: Worker, jobs: Iterable[AsyncJob], seconds: float) -> bool:
    """Rounds until nothing is left; returns False if *seconds* passed first."""
    known = list(jobs)
    deadline = time.monotonic() + seconds
    while end_round(worker, known):
        if time.monotonic() >= deadline:
            return False
        time.sleep(ROUND_PAUSE)
    return True


def kill(pid: int) -> bool:
    """KILL *pid* if it is still the process that was looked at; returns whether it was there to kill."""
    start = start_ticks(pid)
    if start is None or state(pid) == "Z":
        return False
    if not LINUX:  # untested: macOS has no pidfd
        os.kill(pid, signal.SIGKILL)
        return True
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if start_ticks(pid) != start:
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True
