"""A job process as its spawner sees it: pid, deadline, and the ladder that ends it.

The ladder: token (TERM, and CONT for a stopped one) -> grace -> KILL -> sweep until nothing is left. Shortly before
the KILL the process is asked where it hangs. Each stage is noted with its time. The first cause wins; a later, harsher order only makes it faster.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from agentsd.clock import utc_now
from agentsd.faults import reach
from agentsd.workers.board import Board
from agentsd.workers.child import SHIELD_LIMIT
from agentsd.workers.order import Order
from agentsd.workers.output import OutputWatch
from agentsd.workers.process import signal_name
from agentsd.workers.slot import Slot
from agentsd.workers.stack import LEAD

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from typing import Any

SHIELD_POLL = 0.05
"""Seconds between looks at a shield that holds an end up."""


class Leader:
    """One job process, the leader of its session and the root of its tree.

    ``start`` is raw clock ticks; ``due`` is ``time.monotonic()`` seconds.
    """

    __slots__ = (
        "armed", "board", "cause", "due", "exit", "grace", "next_signal", "order", "output", "pid", "pidfd", "shield_until",
        "slot", "stack_lead", "stages", "start",
    )  # fmt: skip

    def __init__(
        self, order: Order, pid: int, pidfd: int, start: int, board: Board, slot: Slot, *, armed: bool = False
    ) -> None:
        self.order, self.pid, self.pidfd, self.start = order, pid, pidfd, start
        self.board, self.slot = board, slot
        self.output = OutputWatch(order.log_dir, order.log_limit)
        self.stages: list[dict[str, str]] = []
        self.armed = armed
        """Whether the handler may have begun; before that there is nothing to be gentle with."""
        self.cause = ""
        self.due: float | None = None
        """When the next stage is due: the deadline at first, then the end of the grace."""
        self.grace = 0.0
        self.next_signal = 0
        self.stack_lead = 0.0
        """Seconds before the KILL at which the process is to be asked for its stack; 0: not, or not any more."""
        self.shield_until: float | None = None
        self.exit: dict[str, Any] | None = None
        """What ``wait4`` told, once the process is reaped."""

    @property
    def was_killed(self) -> bool:
        """Whether a signal has ended the process; False before it is reaped."""
        return self.exit is not None and self.exit["signal"] is not None

    def arm(self, go_at: float) -> None:
        """The handler may begin: the timeout runs from *go_at*."""
        self.armed = True
        if not self.cause:
            self.due = go_at + self.order.timeout

    def end(self, cause: str, grace: float, first_signal: int = signal.SIGTERM) -> None:
        """Begin the ladder, or climb faster if it has begun."""
        now = time.monotonic()
        if not self.cause:
            self.cause, self.grace = cause, grace
            self.board.set_cause(self.slot.number, cause)
            self.next_signal = first_signal if self.armed else signal.SIGKILL
            self.due = now
            self._climb(now)
        elif first_signal == signal.SIGKILL:
            self.next_signal, self.due, self.stack_lead = signal.SIGKILL, now, 0.0
            self._climb(now)
        elif self.due is not None and self.next_signal == signal.SIGKILL:
            self.stack_lead = min(self.stack_lead, grace / 2)
            self.due = min(self.due, now + grace - self.stack_lead)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.due is None or now < self.due or self.exit is not None:
            return
        if self.cause:
            self._climb(now)
        else:
            self.end("timeout", self.order.grace)

    def _climb(self, now: float) -> None:
        if self._is_held_up(now):
            self.due = now + SHIELD_POLL
            return
        if self.next_signal == signal.SIGKILL and self.stack_lead:
            self.due, self.stack_lead = now + self.stack_lead, 0.0
            if self.slot.stack is not None:
                self.slot.stack.ask(self.pid)
            return
        reach("ladder.kill" if self.next_signal == signal.SIGKILL else "ladder.term")
        self._send(self.next_signal)
        if self.next_signal == signal.SIGKILL:
            self.due = None
        else:
            reach("ladder.between")
            self._send(signal.SIGCONT)
            self.next_signal, self.stack_lead = signal.SIGKILL, min(LEAD, self.grace / 2)
            self.due = now + self.grace - self.stack_lead

    def _is_held_up(self, now: float) -> bool:
        """Whether the job asks that its end waits, and has not asked for too long."""
        if not self.board.is_shielded(self.slot.number):
            self.shield_until = None
            return False
        if self.shield_until is None:
            self.shield_until = now + SHIELD_LIMIT
        return now < self.shield_until

    def _send(self, number: int) -> None:
        # By pidfd or not yet reaped pid: this can hit nobody else.
        with contextlib.suppress(ProcessLookupError, PermissionError):  # refused: it has become ``sudo``
            os.kill(self.pid, number)
        if number != signal.SIGCONT:
            self.stages.append({"stage": signal.Signals(number).name.removeprefix("SIG"), "at": utc_now()})

    def reap(self) -> bool:
        """Take the exit status of the process, which has ended. False: a debugger follows it, and has to take it first."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if not pid:
            return False
        code = os.waitstatus_to_exitcode(status)
        self.exit = {
            "exit_code": code if code >= 0 else None,
            "signal": signal_name(-code) if code < 0 else None,
            "user_s": usage.ru_utime,
            "system_s": usage.ru_stime,
            "max_rss_bytes": usage.ru_maxrss * 1024,  # kilobytes on Linux, see getrusage(2)
        }
        return True
