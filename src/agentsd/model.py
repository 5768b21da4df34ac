"""The words of the domain: states, transitions, reasons, and the rows as frozen values.

Pure: imports nothing of agentsd. The database's trigger and CHECKs are made from :data:`VALID_TRANSITIONS` and
:data:`REASONS` here, so an update whose ``WHERE`` is wrong is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

JSON = Any
"""A JSON value: None, bool, int, float, str, list or dict of these."""

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
"""How a UTC time is stored and shown: RFC 3339 of fixed width."""

PAYLOAD_VERSION = 1
"""The newest payload ``schema_version`` that this code reads and the one that it writes."""


class AsyncJobStatus(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether no move leads out of this state."""
        return not VALID_TRANSITIONS[self]

    def can_become(self, other: AsyncJobStatus) -> bool:
        """Whether the state machine has the move from this state to *other*."""
        return other in VALID_TRANSITIONS[self]


VALID_TRANSITIONS: Mapping[AsyncJobStatus, frozenset[AsyncJobStatus]] = MappingProxyType(
    {
        AsyncJobStatus.QUEUED: frozenset({AsyncJobStatus.RUNNING, AsyncJobStatus.CANCELLED}),
        AsyncJobStatus.RUNNING: frozenset(
            {AsyncJobStatus.SUCCEEDED, AsyncJobStatus.FAILED, AsyncJobStatus.CANCELLED}
        ),
        AsyncJobStatus.SUCCEEDED: frozenset(),
        AsyncJobStatus.FAILED: frozenset(),
        AsyncJobStatus.CANCELLED: frozenset(),
    }
)

TERMINAL_STATUSES = frozenset(status for status in AsyncJobStatus if status.is_terminal)
ACTIVE_STATUSES = tuple(status for status in AsyncJobStatus if not status.is_terminal)
"""Of the jobs that have not ended, in the order in which a job has them."""


class Reason(StrEnum):
    """Why a job ended, in one word."""

    COMPLETED = "completed"
    HANDLER_ERROR = "handler_error"
    STEP_FAILED = "step_failed"
    EXITED = "exited"
    SIGNALLED = "signalled"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    STUCK = "stuck"
    WORKER_LOST = "worker_lost"
    INTERRUPTED = "interrupted"
    SPAWN_FAILED = "spawn_failed"
    BAD_PAYLOAD = "bad_payload"
    CONFLICT = "conflict"
    OUTPUT_LIMIT = "output_limit"
    CANCELLED = "cancelled"
    CANCELLED_BEFORE_START = "cancelled_before_start"
    DEPENDENCY_FAILED = "dependency_failed"


REASONS: Mapping[AsyncJobStatus, frozenset[Reason]] = MappingProxyType(
    {
        AsyncJobStatus.SUCCEEDED: frozenset({Reason.COMPLETED}),
        AsyncJobStatus.CANCELLED: frozenset(
            {Reason.CANCELLED, Reason.CANCELLED_BEFORE_START, Reason.DEPENDENCY_FAILED}
        ),
        AsyncJobStatus.FAILED: frozenset(Reason)
        - {
            Reason.COMPLETED,
            Reason.CANCELLED,
            Reason.CANCELLED_BEFORE_START,
            Reason.DEPENDENCY_FAILED,
        },
    }
)
"""Which reasons a terminal state may carry."""


class Phase(StrEnum):
    """The built-in phases. Packages register further ones by name (``agentsd.phases``)."""

    EXECUTE = "execute"
    APPLY = "apply"


PLAN_PHASES = frozenset(Phase)
"""To ask for with a phase's name, which need not be one of these."""


class PlanState(StrEnum):
    """Where a plan is in its life."""

    DRAFT = "draft"
    EXECUTING = "executing"
    READY = "ready"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"


PLAN_STATES_BEFORE: Mapping[Phase, frozenset[PlanState]] = MappingProxyType(
    {
        Phase.EXECUTE: frozenset({PlanState.DRAFT, PlanState.READY, PlanState.FAILED, PlanState.CANCELLED}),
        Phase.APPLY: frozenset({PlanState.READY, PlanState.APPLYING}),
    }
)
"""The plan states in which a phase may be enqueued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncJob:
    """One row of ``async_jobs``: one attempt at one phase of one plan.

    Times are RFC 3339 UTC strings of fixed width (``2026-01-31T09:00:00.123456Z``); durations are
    seconds; ``max_rss_bytes`` is bytes; ``payload_json``, ``result`` and ``progress`` are JSON text. A queued
    job is not claimed while it is held (``held_at``) or ``waits_for`` the job of that id to succeed; there is one
    active job of a ``key`` at most.
    """

    job_id: str
    plan_id: str
    phase: str
    status: AsyncJobStatus
    payload_json: str
    schema_version: int
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    worker_id: str | None = None
    last_heartbeat: str | None = None
    reason: Reason | None = None
    attempt: int = 1
    retry_of: str | None = None
    priority: int = 0
    timeout: float | None = None
    pid: int | None = None
    pid_start: int | None = None
    claimed_at: str | None = None
    cancel_requested_at: str | None = None
    cancel_requested_by: str | None = None
    cancel_reason: str | None = None
    cancel_signal: str | None = None
    result: str | None = None
    error: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    user_s: float | None = None
    system_s: float | None = None
    max_rss_bytes: int | None = None
    progress: str | None = None
    held_at: str | None = None
    held_by: str | None = None
    waits_for: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One row of ``job_events``: one thing that happened to a job, and who did it.

    ``from_status`` and ``to_status`` are equal (or None) for an event that is no change of state,
    such as a cancel request or a late result that was dropped.
    """

    job_id: str
    at: str
    from_status: str | None
    to_status: str | None
    reason: str | None
    by: str
    pid: int
    worker_id: str | None
    detail: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One row of ``workers``: one supervisor, from its start to its end.

    ``identity`` fields (``boot_id``, ``pid_namespace``, ``pid``, ``pid_start`` in raw clock ticks)
    name the process for ever; ``beat`` counts heartbeats; ``ttl`` is seconds.
    """

    worker_id: str
    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    pid_start: int
    uid: int
    state: str
    max_workers: int
    ttl: float
    beat: int
    started_at: str
    last_heartbeat: str
    jobs_processed: int
    running: int
    socket_path: str | None
    spawner_pid: int | None
    version: str
    ended_at: str | None = None
    end_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One row of ``plans``: a frozen plan, the project it belongs to, and its state.

    ``frozen_json`` is what :mod:`agentsd.plans` froze; this layer does not look inside.
    """

    plan_id: str
    name: str
    project: str
    state: PlanState
    frozen_json: str
    source_path: str
    source_sha256: str
    branch: str | None
    head: str | None
    sandbox: str
    created_at: str
    updated_at: str
    description: str | None = None


def plan_state_after(
    phase: str, status: AsyncJobStatus, *, has_result: bool, apply_begun: bool, apply_finished: bool
) -> PlanState | None:
    """The state that a plan takes when a job of *phase* ends with *status*.

    *has_result*: whether some execute of this plan has ever succeeded; a later failure does not take
    its result away, so the plan stays ready. *apply_begun*: whether an apply has begun to write and
    not finished (its journal exists); *apply_finished*: whether everything is written, although the job
    itself may have been killed before it could say so. Returns None for phases that do not move a plan.
    """
    if phase == Phase.EXECUTE:
        if has_result or status is AsyncJobStatus.SUCCEEDED:
            return PlanState.READY
        return PlanState.FAILED if status is AsyncJobStatus.FAILED else PlanState.CANCELLED
    if phase == Phase.APPLY:
        if status is AsyncJobStatus.SUCCEEDED or apply_finished:
            return PlanState.APPLIED
        return PlanState.APPLYING if apply_begun else PlanState.READY
    return None
