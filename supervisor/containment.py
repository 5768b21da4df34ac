"""By what the trees of jobs are held together: a control group where there can be one, the subreaper everywhere."""

from __future__ import annotations

from pathlib import Path

from agentsd.errors import ContainmentError
from agentsd.supervisor.notices import Listener, Notice
from agentsd.workers.cgroup import NoGroupError
from agentsd.workers.delegation import make_worker_group
from agentsd.workers.leftover_groups import remove_abandoned, sign

HOW_TO_DELEGATE = "systemd-run --user --scope -p Delegate=yes agents worker start"


def choose(wanted: str, worker_id: str, listener: Listener) -> Path | None:
    """The control group for a worker's jobs, made; None: they do without.

    *wanted* is ``async.containment``. Raises ContainmentError if that asks for control groups and there are none.
    """
    if wanted == "subreaper":
        return None
    try:
        group = make_worker_group(worker_id)
    except NoGroupError as problem:
        if wanted == "cgroup":
            hint = f"Start the worker in a group of its own: {HOW_TO_DELEGATE}"
            raise ContainmentError(str(problem), hint) from None
        listener(Notice("containment", {"uses": "subreaper", "because": str(problem)}, "debug"))
        return None
    sign(group)
    remove_abandoned(beside=group)
    listener(Notice("containment", {"uses": "cgroup", "group": str(group)}, "debug"))
    return group
