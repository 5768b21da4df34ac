"""The cancellation token of a job process: set by SIGTERM, reaches every tool that the job runs."""

from __future__ import annotations

import _thread
import math
import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from agentsd.errors import JobCancelled
from agentsd.workers import kernel

_SIGTERM = int(signal.SIGTERM)


class CancellationToken:
    """Whether this job is to end, and why.

    A handler that never looks at it gets :class:`~agentsd.errors.JobCancelled` raised in its main thread.
    One that has asked for the token decides by itself; if it goes on past the grace, it is killed.
    """

    __slots__ = ("_held", "_is_set", "_sealed", "_set_at", "_watched", "_why", "may_raise")

    def __init__(self, why: Callable[[], str] = lambda: "cancelled") -> None:
        self._why = why
        self._is_set = False
        self._set_at: float | None = None
        self._watched = False
        self.may_raise = False
        """Set while the handler runs: TERM raises in a handler that does not watch the token."""
        self._held = 0
        self._sealed = False

    @property
    def is_set(self) -> bool:
        """Whether the job was asked to end."""
        return self._is_set

    @property
    def age(self) -> float:
        """Seconds since the job was asked to end; 0 if it was not."""
        return 0.0 if self._set_at is None else time.monotonic() - self._set_at

    @property
    def reason(self) -> str:
        """``cancelled``, ``timeout``, ``shutdown``, …; empty until the token is set."""
        return self._why() or "cancelled" if self._is_set else ""

    def raise_if_set(self) -> None:
        """Raise JobCancelled if the job was asked to end."""
        if self._is_set:
            raise JobCancelled(self.reason)

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until the token is set or *timeout* seconds have passed; returns whether it is set."""
        if self._is_set:
            return True
        if _thread.get_native_id() != os.getpid() or not hasattr(signal, "sigtimedwait"):
            return self._poll(timeout)
        # The signal may arrive between the look above and the wait: it is blocked in between, and
        # sigtimedwait takes it as pending.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            if not self._is_set and _wait_for_term(timeout):
                self._set()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._is_set

    def _poll(self, timeout: float | None) -> bool:
        """The same for a thread: only the main thread gets the signal."""
        deadline = time.monotonic() + (math.inf if timeout is None else timeout)
        while not self._is_set and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(0.05, left))
        return self._is_set

    def watch(self) -> None:
        """The handler has asked for the token: from now on nothing is raised by itself."""
        self._watched = True

    def install(self) -> None:
        """Make SIGTERM set the token. Called once, in the job process, before signals are let in."""
        kernel.set_handler(_SIGTERM, self._on_term)

    @contextmanager
    def raising(self) -> Generator[None]:
        """While the handler runs: TERM raises in a handler that does not watch the token."""
        self.may_raise = True
        try:
            yield
        finally:
            self.may_raise = False

    @contextmanager
    def held(self) -> Generator[None]:
        """While agentsd's own code runs inside a handler: nothing is raised until it is left."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        self._raise_in_unwatching()

    def seal(self) -> None:
        """What was done cannot be undone by ending now: from here on the token is not set any more."""
        self._sealed, self._is_set = True, False

    def _on_term(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._sealed:
            self._set()
        self._raise_in_unwatching()

    def _set(self) -> None:
        if self._set_at is None:
            self._set_at = time.monotonic()
        self._is_set = True

    def _raise_in_unwatching(self) -> None:
        if self._is_set and self.may_raise and not self._watched and not self._held:
            self.may_raise = False  # once: a handler may clean up in `finally` undisturbed
            raise JobCancelled(self.reason)


def _wait_for_term(timeout: float | None) -> bool:
    """Wait for a blocked SIGTERM; returns whether it came."""
    if timeout is None:
        signal.sigwait({signal.SIGTERM})
        return True
    found = signal.sigtimedwait({signal.SIGTERM}, max(timeout, 0))
    # Stopped until the time was over, and continued: CPython returns a siginfo that nobody has filled in.
    return found is not None and found.si_signo == signal.SIGTERM
