"""The spawner's program: what happens between the start of its interpreter and its loop.

What a fork needs is prepared once here: modules, streams, descriptors, blocked signals, a rehearsal of the job path.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from importlib import import_module

from agentsd.workers import cgroup, kernel
from agentsd.workers.becoming import prepare
from agentsd.workers.child import SPAWNER_IGNORES, rehearse
from agentsd.workers.link import Link
from agentsd.workers.process import LINUX
from agentsd.workers.spawner import Spawner
from agentsd.workers.title import set_title

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from typing import NoReturn

LINK_FD_VARIABLE = "AGENTS_SPAWNER_FD"
LINKED_AT_ONCE = {"LD_BIND_NOW": "by agentsd"}
"""Has the dynamic linker bind everything when a spawner starts, instead of each function in each job process anew. Any
value does; this one tells that it is not of the user's environment, so that it is not for the jobs' tools."""
_ALL_SIGNALS = signal.valid_signals()


def _preload(modules: list[str]) -> str:
    """Import *modules* once for all jobs. Returns why that cannot be used, or the empty string."""
    for module in modules:
        try:
            import_module(module)
        except Exception as error:  # noqa: BLE001 - whatever a user's module raises
            return f"{module}: {type(error).__name__}: {error}"
        # A fork copies only the thread that forks: locks that others hold are held for ever in the child.
        if LINUX and len(os.listdir("/proc/self/task")) > 1:
            return f"{module} starts a thread when it is imported"
    return ""


def main() -> NoReturn:
    """The program. Ends with exit code 0 when its supervisor is gone."""
    for number in SPAWNER_IGNORES:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    kernel.adopt_orphans()
    worker_id, preload = sys.argv[1], sys.argv[2].split(",") if sys.argv[2] else []
    title = f"agents spawner {worker_id}"
    set_title(title)
    link = Link(socket.socket(fileno=int(os.environ.pop(LINK_FD_VARIABLE))))
    os.set_inheritable(link.fileno(), False)
    for name, value in LINKED_AT_ONCE.items():
        if os.environ.get(name) == value:
            del os.environ[name]
    if problem := _preload(preload):
        # Before any order is read: the supervisor starts another one without these modules.
        link.post({"op": "preload_refused", "problem": problem})
        link.flush()
        sys.exit(0)
    prepare()
    # For good, as these two are what a fork needs: a TERM that arrived before the child has its own handlers would be
    # swallowed by those that it inherits. Blocked, what means nothing to a spawner may have its default action again.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
    for number in SPAWNER_IGNORES:
        signal.signal(number, signal.SIG_DFL)
    worker_group = _probed(link, sys.argv[3])
    spawner = Spawner(link, title, worker_group, sys.argv[4])
    rehearse(spawner.board)
    gc.collect()
    kernel.give_back_memory()
    gc.freeze()  # a child's collection would touch, and so copy, every page
    spawner.run()
    link.close()
    sys.exit(0)


def _probed(link: Link, path: str) -> str | None:
    """The worker's control group, if jobs can join one below it; tells the supervisor if they cannot."""
    if not path:
        return None
    try:
        cgroup.probe(path)
    except OSError as error:
        link.post({"op": "no_group", "problem": str(error)})
        return None
    return path
