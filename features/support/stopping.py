"""A run of tests that is told to stop, as a CI does it, ends in order: what was set up is torn down."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator
from types import FrameType


class Stopping:
    """Takes the first SIGTERM for a Ctrl-C, which test runners end with tear-down, and no other.

    By default the signal would end the runner where it stands, and nobody would end what the running
    test has started.
    """

    def __init__(self) -> None:
        self.asked = False
        self._tearing_down = False

    def listen(self) -> None:
        """From now on; a forked child takes the signal as if nobody listened."""
        signal.signal(signal.SIGTERM, self._hear)
        os.register_at_fork(after_in_child=self._take_as_before)

    @contextlib.contextmanager
    def postponed(self) -> Generator[None]:
        """For a tear-down: cut short it would leave something, so the run stops after it."""
        before = self.asked
        self._tearing_down = True
        try:
            yield
        finally:
            self._tearing_down = False
        if self.asked and not before:
            raise KeyboardInterrupt

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if not again and not self._tearing_down:
            raise KeyboardInterrupt

    def _take_as_before(self) -> None:
        if signal.getsignal(signal.SIGTERM) == self._hear:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
