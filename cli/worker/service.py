"""Telling a service manager how the worker is: ready, what it does, that its loop turns, that it stops.

The protocol is one datagram of ``NAME=value`` lines to the socket that NOTIFY_SOCKET names (sd_notify(3)). It is
systemd's, and that of others that run ``Type=notify`` services.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agentsd.supervisor.notices import Listener, Notice
    from agentsd.supervisor.worker import AsyncWorker

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Wishes(NamedTuple):
    """What the service manager wants: where to tell it, and within how many seconds a sign of life (0: none)."""

    address: str = ""
    watchdog: float = 0.0


def take_notify_variables() -> Wishes:
    """The wishes in this process's environment, and out of it: the jobs are not the service."""
    found = {name: os.environ.pop(name, "") for name in VARIABLES}
    period = found["WATCHDOG_USEC"]
    meant = found["WATCHDOG_PID"] in ("", str(os.getpid()))
    return Wishes(found["NOTIFY_SOCKET"], int(period) / 1e6 if period.isdigit() and meant else 0.0)


class Service:
    """Listens to one worker and passes on what a service manager has to know."""

    def __init__(self, worker: AsyncWorker, wishes: Wishes) -> None:
        self._worker, self._wishes = worker, wishes
        self._status = ""
        self._stopping = False

    def __call__(self, notice: Notice) -> None:
        """Take a notice of the worker."""
        if not self._wishes.address:
            return
        match notice.event:
            case "worker_started":
                self._tell("READY=1", self._new_status())
                self._feed()
            case "stopping" if not self._stopping:
                self._stopping = True
                self._tell("STOPPING=1", self._new_status())
            # A drain takes as long as it takes: after STOPPING, systemd would kill it at TimeoutStopSec.
            case "draining" | "job_started" | "job_ended" | "config_reloaded":
                self._tell(self._new_status())
            case _:
                return

    def _feed(self) -> None:
        """A timer of the worker's loop: what does not turn does not feed, and is restarted."""
        if self._wishes.watchdog:
            self._tell("WATCHDOG=1")
            self._worker.timers.set("watchdog", self._wishes.watchdog / 3, self._feed)

    def _new_status(self) -> str:
        """The line for ``systemctl status``; empty if it is the old one."""
        running, slots = len(self._worker.fleet.running), self._worker.settings.max_workers
        ends = self._worker.shutdown.begun
        words = f"STATUS={running} of {slots} jobs running" + (", takes no more" if ends else "")
        if words == self._status:
            return ""
        self._status = words
        return words

    def _tell(self, *lines: str) -> None:
        """One datagram. A manager that does not listen, or is slow, must not stop the worker."""
        text = "\n".join(line for line in lines if line)
        if not text:
            return
        address = self._wishes.address
        # A leading @ is the abstract name space, which has a zero byte there.
        where = "\0" + address[1:] if address.startswith("@") else address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto(text.encode(), where)
        except OSError:
            return


def both(first: Listener, second: Listener) -> Listener:
    """A listener that passes everything on to both."""

    def listen(notice: Notice) -> None:
        first(notice)
        second(notice)

    return listen
