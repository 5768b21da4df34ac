"""Helpers for tests of what is built on agentsd: one job inline, a store that goes away, a clock that is yours.

No helper needs a worker, except :func:`run_queued`, which starts a real one and ends it. Everything runs on the
system's own files and processes: nothing is mocked but the clock.
"""

from __future__ import annotations

from agentsd.testing.clock import FakeClock as FakeClock
from agentsd.testing.clock import FakeToken as FakeToken
from agentsd.testing.inline import InlineEnd as InlineEnd
from agentsd.testing.inline import job_context as job_context
from agentsd.testing.inline import run_inline as run_inline
from agentsd.testing.stores import run_queued as run_queued
from agentsd.testing.stores import temporary_state as temporary_state
from agentsd.testing.stores import temporary_store as temporary_store
