"""One shared page between a spawner and its job processes: three bytes per slot.

The spawner writes *why* before it sends TERM, so that the token can say it; a job writes *shield* while an
interruption would do harm (the writes of an apply), and the spawner's ladder waits; and it writes *begun*, because a
process that gives up before that has used no attempt. A page instead of
messages, because the spawner must be able to look at any moment without waiting for the job.
"""

from __future__ import annotations

import errno
import mmap

SLOTS = 1280
"""The most processes of one spawner: the jobs that run at once, those that stand by, and those that are being ended."""

_BYTES = 3  # of a slot: cause, shield, begun
CAUSES = ("", "cancelled", "timeout", "shutdown", "output_limit", "stuck", "worker_lost")
"""Why a job is being ended, by the byte that stands for it."""


class Board:
    """The page. Made once before the first fork, and inherited."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _BYTES * SLOTS)
        self._free = list(range(SLOTS - 1, -1, -1))

    def take_slot(self) -> int:
        """A slot with all bytes clear. Raises OSError if all are taken."""
        if not self._free:
            raise OSError(errno.EAGAIN, "all slots are taken")
        slot = self._free.pop()
        self._page[_BYTES * slot : _BYTES * (slot + 1)] = bytes(_BYTES)
        return slot

    def give_back(self, slot: int) -> None:
        """The slot's job process is gone."""
        self._free.append(slot)

    def set_cause(self, slot: int, cause: str) -> None:
        """Say why; the first cause stays."""
        if not self._page[_BYTES * slot]:
            self._page[_BYTES * slot] = CAUSES.index(cause)

    def cause(self, slot: int) -> str:
        """Why the slot's job is being ended, or the empty string."""
        return CAUSES[self._page[_BYTES * slot]]

    def set_shield(self, slot: int, on: bool) -> None:
        """Called by the job: an interruption would do harm from now on (or no more)."""
        self._page[_BYTES * slot + 1] = on

    def is_shielded(self, slot: int) -> bool:
        """Whether the slot's job asks that its end waits."""
        return bool(self._page[_BYTES * slot + 1])

    def set_begun(self, slot: int) -> None:
        """Called by the job: from now on it is the handler's."""
        self._page[_BYTES * slot + 2] = True

    def has_begun(self, slot: int) -> bool:
        """Whether the slot's job got as far as its handler."""
        return bool(self._page[_BYTES * slot + 2])
