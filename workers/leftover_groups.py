"""Control groups whose worker is gone: killed together with its spawner, so that nobody was left to remove them.

A worker signs its group with its identity. Whoever starts beside it later removes the group when that very process is
gone and nothing of it is left, whatever store it belonged to and whether that still exists.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from agentsd.workers.cgroup import processes_in, remove
from agentsd.workers.delegation import PREFIX, cgroup_mounts
from agentsd.workers.identity import Identity
from agentsd.workers.process import marked

SIGNATURE = "user.agentsd.worker"
"""The extended attribute with the identity of a group's worker; groups can carry one since Linux 5.7."""


def sign(group: Path) -> None:
    """Say whose group it is. Where that cannot be written, only its own store's workers and ``cleanup`` remove it."""
    me = Identity.current()
    try:
        os.setxattr(group, SIGNATURE, f"{me.boot_id} {me.pid} {me.start} {me.pid_namespace}".encode())
    except OSError:
        return


def remove_abandoned(beside: Path) -> None:
    """Remove the groups beside this one that nobody needs any more."""
    for group in beside.parent.glob(f"{PREFIX}*"):
        if group != beside and is_abandoned(group):
            remove(group)


def is_abandoned(group: Path) -> bool:
    """Whether its worker is gone for certain, and everything that it started, too. False if that is not known."""
    signed_by = _signature(group)
    if signed_by is None or not signed_by.is_here() or signed_by.is_alive() or processes_in(group):
        return False
    # A spawner whose supervisor was killed ends what is left, and then removes the group itself.
    return not [*marked(group.name.removeprefix(PREFIX))]


def _signature(group: Path) -> Identity | None:
    try:
        if group.stat().st_uid != os.getuid():
            return None
        boot, pid, start, namespace = os.getxattr(group, SIGNATURE).decode().split(" ", 3)
        return Identity(boot, namespace, int(pid), int(start))
    except (OSError, ValueError):
        return None


def find_groups(worker_ids: Collection[str]) -> list[Path]:
    """The groups of these workers, wherever they were started."""
    names = {f"{PREFIX}{worker_id}" for worker_id in worker_ids}
    places = (
        {Path(place) for mount in cgroup_mounts() for place, _, _ in os.walk(mount)} if names else set[Path]()
    )
    return sorted(place for place in places if place.name in names)
