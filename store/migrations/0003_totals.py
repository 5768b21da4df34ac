"""Totals of what ended, which pruning does not lower: counters for monitoring."""

from __future__ import annotations

from typing import Any

from agentsd.store.schema import execute_all
from agentsd.store.totals import COUNT_WHAT_IS_THERE, TABLE


def up(_migrator: Any, db: Any) -> None:
    """Make the table; it begins with the jobs that are there. Indexes and triggers are made anew afterwards."""
    execute_all(db, (TABLE, COUNT_WHAT_IS_THERE))
