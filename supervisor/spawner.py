"""The supervisor's view of its spawner: starting it, talking to it, noticing that it hangs or is gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from agentsd.store.keys import MOST_STANDBYS
from agentsd.workers.link import LOST, Link, Message
from agentsd.workers.order import Order
from agentsd.workers.process import LINUX, MARKER, signal_name
from agentsd.workers.program import LINK_FD_VARIABLE, LINKED_AT_ONCE

HUNG_AFTER = 10.0
"""Seconds of the supervisor's awake time without an answer: first CONT, as long again: KILL."""
_TITLE_ROOM = "-" * (160 + 11 * MOST_STANDBYS)
"""setproctitle has only the room of argv, as the environment must stay readable. It tells who stands by."""


class SpawnerProcess:
    """One spawner, from its start to its reaping."""

    def __init__(
        self, worker_id: str, preload: Sequence[str], worker_group: Path | None = None, spare_logs: str = ""
    ) -> None:
        """*spare_logs* begins the paths at which log folders lie that no job has.

        Raises OSError if there is no process or no descriptor to be had.
        """
        ours, theirs = socket.socketpair()
        # The environment is what every descendant shows in /proc/PID/environ from its first instruction
        # on; SPT_NOENV keeps setproctitle from overwriting it.
        environment = {
            **LINKED_AT_ONCE, **os.environ, MARKER: worker_id, "SPT_NOENV": "1", LINK_FD_VARIABLE: str(theirs.fileno()),
        }  # fmt: skip
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-P", "-c", "from agentsd.workers.program import main; main()",
                 worker_id, ",".join(preload), str(worker_group or ""), spare_logs, _TITLE_ROOM],
                env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
                # A group, not a session: when the supervisor dies while the spawner is stopped, the group
                # is orphaned and the kernel wakes it, so that it can end the trees.
                process_group=0,
            )  # fmt: skip
        self.pid = self._process.pid
        self.link = Link(ours)
        self.wanted = 0
        """How many processes it was told to let wait."""
        try:
            self.pidfd = os.pidfd_open(self.pid) if LINUX else -1
        except OSError:  # it ends by itself when its link is closed
            self.link.close()
            self._process.wait()
            raise
        self._pings = 0
        self._unanswered_since: float | None = None
        self._nudged = False
        self._hung = False

    # -- orders ------------------------------------------------------------------------------------

    def want(self, number: int) -> None:
        """From now on, let so many processes wait for jobs."""
        if number != self.wanted:
            self.wanted = number
            self.link.post({"op": "want", "number": number})

    def lead(self, order: Order, pid: int, at: float) -> None:
        """That process will get this order, and its timeout runs from *at* (``time.monotonic()``)."""
        self.link.post(order.to_message(pid, at))

    def end(self, job_id: str, cause: str, grace: float, first: signal.Signals = signal.SIGTERM) -> None:
        """Begin the ladder that ends a job and its tree, or climb it faster."""
        self.link.post({"op": "end", "job_id": job_id, "cause": cause, "grace": grace, "signal": int(first)})

    # -- watching ----------------------------------------------------------------------------------

    def ping(self) -> None:
        """Ask for a sign of life, and act on one that is missing: first wake a stopped spawner, then end it."""
        now = time.monotonic()
        if self._unanswered_since is None:
            self._pings += 1
            self._unanswered_since, self._nudged = now, False
            self.link.post({"op": "ping", "n": self._pings})
        elif now - self._unanswered_since >= 2 * HUNG_AFTER:
            self._hung = True
            self.signal(signal.SIGKILL)
        elif now - self._unanswered_since >= HUNG_AFTER and not self._nudged:
            self._nudged = True
            self.signal(signal.SIGCONT)

    def forgive(self) -> None:
        """This process was not awake itself: the silence proves nothing."""
        self._unanswered_since = None

    def hear(self) -> list[Message]:
        """The messages that have come. A ``ready`` one has its ``channel``, or None if no descriptor was left for that."""
        messages = self.link.receive()
        for message in messages:
            if message["op"] == "ready":
                fd = self.link.take_fd()
                message["channel"] = socket.socket(fileno=fd) if fd != LOST else None
        if any(message["op"] == "pong" for message in messages):
            self._unanswered_since = None
        return messages

    def signal(self, number: signal.Signals) -> None:
        """Signal the spawner, which is this process's own child and so cannot be mistaken."""
        if not self.has_ended():
            os.kill(self.pid, number)

    def has_ended(self) -> bool:
        """Whether the process is gone; reaps it."""
        return self._process.poll() is not None

    def how_it_ended(self) -> str:
        """How it ended, for a person."""
        code = self._process.returncode
        if code is None:
            return "which KILL does not end"
        if self._hung:
            return "which did not answer and was killed"
        return f"exit code {code}" if code >= 0 else f"ended by {signal_name(-code)}"

    def finish(self) -> None:
        """End it by closing the link: it ends every tree that is left, and itself. Waits for that."""
        self.link.close()
        self.signal(signal.SIGCONT)  # one that is stopped would not see it
        self._process.wait()
        self._close()

    def forget(self) -> None:
        """Close what belongs to a spawner that is gone."""
        self.link.close()
        self._close()

    def _close(self) -> None:
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
