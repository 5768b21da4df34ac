"""The reference: what any history of jobs has to look like, whatever has happened, seen from the tables alone.

It knows nothing of how the product does it. Each look compares the tables with those of the look before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from agentsd.model import PAYLOAD_VERSION
from agentsd.store.database import Database

MOVES = {
    ("queued", "running"), ("queued", "cancelled"),
    ("running", "succeeded"), ("running", "failed"), ("running", "cancelled"),
}  # fmt: skip
TERMINAL = {"succeeded", "failed", "cancelled"}
FINAL_REASONS = {"bad_payload", "conflict"}
"""Reasons of a failure that trying again cannot mend."""


class Row(NamedTuple):
    """What counts of a job."""

    seq: int
    job_id: str
    plan_id: str
    phase: str
    status: str
    reason: str | None
    worker_id: str | None
    priority: int
    schema_version: int
    attempt: int
    retry_of: str | None
    created_at: str
    claimed_at: str | None
    started_at: str | None
    finished_at: str | None
    pid: int | None
    result: str | None
    cancel_requested_at: str | None
    held_at: str | None
    waits_for: str | None
    key: str | None

    @property
    def may_start(self) -> bool:
        """Whether a claim may take it."""
        free = self.held_at is None and self.waits_for is None
        return self.status == "queued" and free and self.schema_version <= PAYLOAD_VERSION

    @property
    def rank(self) -> tuple[int, int]:
        """Its place in the ready order: high priority first, then age."""
        return (-self.priority, self.seq)


class Event(NamedTuple):
    """What counts of an event."""

    at: str
    before: str | None
    after: str | None
    reason: str | None
    worker_id: str | None


_ROWS = f"SELECT {', '.join(Row._fields)} FROM async_jobs"
_EVENTS = "SELECT job_id, at, from_status, to_status, reason, worker_id FROM job_events ORDER BY event_id"
_PLANS = "SELECT plan_id, state FROM plans"


@dataclass(slots=True)
class Audit:
    """Everything that was ever acknowledged, and the tables as they were at the last look."""

    db: Database
    max_attempts: int
    rows: Mapping[str, Row] = field(default_factory=dict[str, Row])
    pruned: set[str] = field(default_factory=set[str])
    acknowledged: set[str] = field(default_factory=set[str])
    followers: set[tuple[str | None, str]] = field(default_factory=set[tuple[str | None, str]])
    """Whom every job that was ever seen follows, and since when; one may be pruned before its parent."""

    def look(self) -> None:
        """Compare the tables with all rules. Raises AssertionError."""
        self.db.connection.execute("BEGIN")  # all that is read is of one moment
        try:
            self._compare()
        finally:
            self.db.connection.execute("COMMIT")

    def _compare(self) -> None:
        before, self.rows = self.rows, {row[1]: Row(*row) for row in self.db.read(_ROWS)}
        self._nothing_is_lost(before)
        for job_id, row in self.rows.items():
            if (was := before.get(job_id)) is not None:
                self._moved_legally(was, row)
            self._is_whole(row)
        self._ready_order_was_kept(before)
        self._histories_are_whole()
        self._families_are_right()
        self._one_active()
        self._plans_agree()
        self._owners_are_live()

    def _nothing_is_lost(self, before: Mapping[str, Row]) -> None:
        for job_id in before.keys() - self.rows.keys():
            assert before[job_id].status in TERMINAL, f"{before[job_id]} was deleted"
            self.pruned.add(job_id)
        lost = self.acknowledged - self.rows.keys() - self.pruned
        assert not lost, f"acknowledged and lost: {lost}"

    def _moved_legally(self, was: Row, row: Row) -> None:
        if was.status in TERMINAL:
            assert was == row, f"an ended job has changed: {was} -> {row}"
        elif was.status != row.status and (was.status, row.status) not in MOVES:
            # Two moves between two looks are one look's blindness; the history shows both.
            assert (was.status, row.status) in {("queued", end) for end in TERMINAL}, f"{was} -> {row}"
        if was.worker_id is not None:
            assert was.worker_id == row.worker_id, f"another owner: {was} -> {row}"

    def _is_whole(self, row: Row) -> None:
        assert (row.status in TERMINAL) == (row.finished_at is not None) == (row.reason is not None), row
        assert row.status != "running" or row.worker_id, row
        assert row.claimed_at is None or row.schema_version <= PAYLOAD_VERSION, row
        assert row.status != "queued" or not (row.worker_id or row.pid or row.claimed_at), row

    def _ready_order_was_kept(self, before: Mapping[str, Row]) -> None:
        passed_over = [row for row in before.values() if row.may_start and self._still_waits(row)]
        for row in self.rows.values():
            was = before.get(row.job_id)
            if was is None or not was.may_start or row.claimed_at is None:
                continue
            for other in passed_over:
                assert was.rank < other.rank, f"{was.rank} was claimed before {other.rank}"

    def _still_waits(self, row: Row) -> bool:
        now = self.rows.get(row.job_id)
        return now is not None and now.may_start and now.priority == row.priority

    def _histories_are_whole(self) -> None:
        histories: dict[str, list[Event]] = {job_id: [] for job_id in self.rows}
        for job_id, *event in self.db.read(_EVENTS):
            assert job_id in histories, f"an event of no job: {job_id}"
            histories[job_id].append(Event(*event))
        for job_id, events in histories.items():
            self._history_is_whole(self.rows[job_id], events)

    def _history_is_whole(self, row: Row, events: list[Event]) -> None:
        moves = [event for event in events if event.before != event.after]
        assert moves[0][:3] == (row.created_at, None, "queued"), (row, moves)
        for one, next_one in pairwise(moves):
            assert one.after == next_one.before, (row, moves)
            assert (next_one.before, next_one.after) in MOVES, (row, moves)
        assert moves[-1].after == row.status, (row, moves)
        for event in moves[1:]:
            if event.after == "running":
                # The same time: written in the same transaction.
                assert (event.at, event.worker_id) == (row.claimed_at, row.worker_id), (row, event)
            else:
                assert (event.at, event.reason) == (row.finished_at, row.reason), (row, event)

    def _families_are_right(self) -> None:
        self.followers |= {(row.retry_of, row.created_at) for row in self.rows.values()}
        for row in self.rows.values():
            parent = self.rows.get(row.retry_of or "")
            if parent is not None:
                automatic = row.created_at == parent.finished_at
                same = automatic and parent.reason == "interrupted"
                assert row.attempt == parent.attempt + (not same), (parent, row)
                assert not automatic or same or row.attempt <= self.max_attempts, (parent, row)
            assert ((row.job_id, row.finished_at) in self.followers) == self._deserves_follower(row), row

    def _deserves_follower(self, row: Row) -> bool:
        if row.status != "failed" or row.cancel_requested_at is not None or row.reason in FINAL_REASONS:
            return False
        return row.reason == "interrupted" or row.attempt < self.max_attempts

    def _one_active(self) -> None:
        active = [row for row in self.rows.values() if row.status not in TERMINAL]
        for name, values in (
            ("plan", [row.plan_id for row in active if row.phase in ("execute", "apply")]),
            ("key", [row.key for row in active if row.key is not None]),
        ):
            assert len(values) == len(set(values)), f"two active jobs of one {name}: {values}"

    def _plans_agree(self) -> None:
        executing = {
            row.plan_id for row in self.rows.values() if row.phase == "execute" and row.status not in TERMINAL
        }
        states: dict[str, Any] = dict(self.db.read(_PLANS))
        for plan_id, state in states.items():
            assert (state == "executing") == (plan_id in executing), f"plan {plan_id} is {state}"

    def _owners_are_live(self) -> None:
        """A closed row is judged by nobody: a job that runs under it would run for ever."""
        live = {
            worker_id for (worker_id,) in self.db.read("SELECT worker_id FROM workers WHERE ended_at IS NULL")
        }
        for row in self.rows.values():
            assert row.status != "running" or row.worker_id in live, f"{row} runs under a closed worker"
