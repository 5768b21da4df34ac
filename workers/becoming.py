"""From a fork to the process of one job: a life tied to the spawner's, a session, descriptors, an order, output, a title."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable

from agentsd.faults import reach
from agentsd.workers import kernel
from agentsd.workers.order import Order
from agentsd.workers.slot import Slot
from agentsd.workers.spare_log import open_log
from agentsd.workers.stack import CHANNEL_FD, STACK_FD, install, reserve_descriptors
from agentsd.workers.title import set_title

_HIGHEST_FD = resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def prepare() -> None:
    """What every job process inherits from its spawner: done once there, instead of once in each."""
    os.chdir("/")
    install()
    reserve_descriptors()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # pyright: ignore


def become_job_process(channel_fd: int, slot: Slot, spawner: int) -> None:
    """Tie this process's life to the spawner's, leave its session and all descriptors but the channel behind.

    The channel gets the number that is out of the handler's way.
    """
    kernel.die_with_parent()
    # The spawner may have died between fork and prctl: then the kernel will never send that signal.
    if os.getppid() != spawner:
        os._exit(1)
    reach("child.session")
    os.setsid()
    kernel.adopt_orphans()
    if slot.group is not None:
        slot.enter()
    if slot.stack is not None:
        slot.stack.become()
    os.dup2(channel_fd, CHANNEL_FD, False)
    os.closerange(3, STACK_FD)
    os.closerange(CHANNEL_FD + 1, _HIGHEST_FD)


def forget_signals(cause: Callable[[], str]) -> None:
    """What was sent to a process of no job does not mean the job that it has now.

    Its spawner's TERM does: *cause* is set before that is sent. Stopped until now, the process may find both.
    """
    while waiting := kernel.sigpending():
        signal.sigwait(waiting)  # it is there, so this does not wait
    if cause():
        os.kill(os.getpid(), signal.SIGTERM)


def become_this_job(order: Order, spare_log: str) -> None:
    """Take on the job's output and title. *spare_log* is a folder that it may have for its log, or empty."""
    reach("child.output")
    _send_output_to(open_log(order.log_dir, spare_log))
    set_title(order.title)


def _send_output_to(log: int) -> None:
    """Stdin from nowhere; stdout and stderr appended to the job's log, so that it can be cut meanwhile."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, max(log, null) + 1)
