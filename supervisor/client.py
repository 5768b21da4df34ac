"""The public way in: put jobs in, look at them, cancel them, wait for them."""

from __future__ import annotations

import builtins  # inside Client, `list` is a method; type checkers take it for the type
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict, Unpack, cast

import orjson

from agentsd.errors import AgentsError, BadPayloadError, InvalidInputError
from agentsd.faults import reach
from agentsd.model import JSON, PLAN_PHASES, AsyncJob, AsyncJobStatus, JobEvent, Phase, Worker
from agentsd.store import bulk, events, jobs, plans, steering, workers
from agentsd.store.database import Database, open_store
from agentsd.store.paths import StateDir, state_dir
from agentsd.store.settings import Settings, load_settings
from agentsd.supervisor.wakeup import poke_each

if TYPE_CHECKING:
    from agentsd.supervisor.cancelling import CancelOutcome


class Wishes(TypedDict, total=False):
    """How a job is to be queued."""

    priority: int
    """A higher one runs first; 0 unless said."""
    timeout: float | None
    """Seconds; None: what its plan says, else ``async.job_timeout``."""
    hold: bool
    """It waits until somebody releases it."""
    after: str | None
    """The id of a job that has to succeed first. If it does not, this one ends ``dependency_failed``."""
    key: str | None
    """While a job with this key is queued or running, no other one is made."""


class Client:
    """A connection to the store. A context manager; not for use across fork or threads."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db, self.settings = db, settings
        self._phases: dict[str, str] = {}

    @property
    def state(self) -> StateDir:
        """The state directory."""
        return self.db.state

    # -- putting in ---------------------------------------------------------------------------------

    def enqueue(
        self,
        phase: str,
        *,
        plan_id: str | None = None,
        payload: JSON = None,
        **more: Unpack[Wishes],
    ) -> AsyncJob:
        """Queue a job, durably, and wake the supervisors. *more* are :class:`Wishes`.

        With ``execute`` and ``apply`` *plan_id* names the plan. Raises InvalidInputError for a phase that no
        package registers, ConflictError if the plan has an active job or is in the wrong state or the job to wait
        for has failed, NotFoundError, BadPayloadError.
        """
        return self.enqueue_once(phase, plan_id=plan_id, payload=payload, **more)[0]

    def enqueue_once(
        self,
        phase: str,
        *,
        plan_id: str | None = None,
        payload: JSON = None,
        **more: Unpack[Wishes],
    ) -> tuple[AsyncJob, bool]:
        """As :meth:`enqueue`; also whether the job is new, or the active one that has the ``key`` already."""
        timeout = more.get("timeout")
        if timeout is not None and not timeout > 0:  # NaN is neither
            raise InvalidInputError("timeout", expected="seconds above 0", got=timeout)
        if phase in PLAN_PHASES:
            if plan_id is None:
                raise InvalidInputError(f"Phase {phase}", expected="the id of a plan (--plan)", got=None)
            return self._enqueue_plan_once(plan_id, Phase(phase), _plan_data(payload), more)
        self._check_phase(phase)
        if plan_id is not None:
            plans.get(self.db, plan_id)
        new = jobs.NewJob(phase=phase, plan_id=plan_id, data=payload, **more)
        with self.db.write() as tx:
            found = jobs.insert_once(tx, new)
            sockets = workers.sockets(tx)
            reach("enqueue.commit")
        reach("enqueue.committed")
        poke_each(sockets)
        return found

    def enqueue_many(
        self, phase: str, many: Sequence[tuple[JSON, Wishes]], *, plan_id: str | None = None
    ) -> builtins.list[tuple[AsyncJob, bool]]:
        """Queue many jobs of one phase in one transaction: all, or none. Each is a payload and its :class:`Wishes`.

        Returns what :meth:`enqueue_once` does, for each. Not for ``execute`` and ``apply``: a plan has one active
        job. Raises OneOfManyError, which names the one that is wrong; InvalidInputError and NotFoundError as above.
        """
        if phase in PLAN_PHASES:
            raise InvalidInputError(
                "phase", expected="one of a package: a plan has one active job", got=phase
            )
        self._check_phase(phase)
        if plan_id is not None:
            plans.get(self.db, plan_id)
        new = [jobs.NewJob(phase=phase, plan_id=plan_id, data=payload, **more) for payload, more in many]
        with self.db.write() as tx:
            found = bulk.insert_all(tx, new)
            sockets = workers.sockets(tx)
        poke_each(sockets)
        return found

    def enqueue_plan(
        self, plan_id: str, phase: Phase, *, payload: JSON = None, **more: Unpack[Wishes]
    ) -> AsyncJob:
        """Queue the execution or the apply of a plan and move the plan. Raises as :meth:`enqueue`.

        *payload*: None, or a mapping; an apply takes ``onto_current`` and ``as_captured``, see
        ``agents plan apply --help``.
        """
        return self._enqueue_plan_once(plan_id, phase, _plan_data(payload), more)[0]

    def _enqueue_plan_once(
        self, plan_id: str, phase: Phase, data: Mapping[str, JSON], more: Wishes
    ) -> tuple[AsyncJob, bool]:
        self.bury_dead_owner(plan_id)
        if more.get("timeout") is None:
            more["timeout"] = plan_timeout(self.db, plan_id, phase)
        with self.db.write() as tx:
            same = jobs.active_of_key(tx, more.get("key"))
            job = same or jobs.insert_for_plan(tx, plan_id, phase, data, **more)
            sockets = workers.sockets(tx)
        poke_each(sockets)
        return job, same is None

    def bury_dead_owner(self, plan_id: str) -> None:
        """If a plan's active job belongs to a supervisor that is provably dead, end it and the job.

        Without this, a plan whose foreground run was killed would be in the way of its next run.
        """
        for job in jobs.list_jobs(self.db, statuses=[AsyncJobStatus.RUNNING], plan_id=plan_id):
            from agentsd.supervisor import takeover  # noqa: PLC0415 - hardly ever needed

            owner = workers.get(self.db, job.worker_id or "")
            if owner is not None and takeover.is_dead(owner):
                takeover.bury_owner(self.db, self.settings, job, owner)

    def retry(self, job_id: str) -> AsyncJob:
        """Queue a new attempt at a job that has ended. Raises ConflictError, NotFoundError."""
        job = jobs.get(self.db, job_id)
        with self.db.write() as tx:
            new = jobs.insert_retry(tx, job)
            sockets = workers.sockets(tx)
        poke_each(sockets)
        return new

    def hold(self, job_id: str) -> AsyncJob:
        """Keep a queued job from starting until it is released. Raises ConflictError, NotFoundError."""
        with self.db.write() as tx:
            return steering.hold(tx, job_id)

    def release(self, job_id: str) -> AsyncJob:
        """Let a held job start again. Raises ConflictError if it is not queued, NotFoundError."""
        with self.db.write() as tx:
            job = steering.release(tx, job_id)
            sockets = workers.sockets(tx)
        poke_each(sockets)
        return job

    def set_priority(self, job_id: str, priority: int) -> AsyncJob:
        """Move a queued job in the queue. Raises ConflictError if it is not queued, NotFoundError."""
        with self.db.write() as tx:
            return steering.set_priority(tx, job_id, priority)

    def _check_phase(self, phase: str) -> None:
        if phase not in self._phases:
            from agentsd.workers.phases import registered  # noqa: PLC0415 - reads what is installed

            self._phases = registered()
        if phase not in self._phases:
            raise InvalidInputError("phase", expected=f"one of {', '.join(sorted(self._phases))}", got=phase)

    # -- looking ------------------------------------------------------------------------------------

    def get(self, job_id: str) -> AsyncJob:
        """One job. Raises NotFoundError."""
        return jobs.get(self.db, job_id)

    def list(
        self, *, statuses: Iterable[str] = (), plan_id: str | None = None, limit: int | None = None
    ) -> builtins.list[AsyncJob]:
        """Jobs, newest first."""
        return jobs.list_jobs(self.db, statuses=statuses, plan_id=plan_id, limit=limit)

    def events(self, job_id: str) -> builtins.list[JobEvent]:
        """What happened to a job, oldest first."""
        return events.for_job(self.db, job_id)

    def live_workers(self) -> builtins.list[Worker]:
        """The supervisors that run, as far as can be known from here."""
        registered = workers.list_workers(self.db)
        if not registered:
            return []
        from agentsd.supervisor.remnants import is_provably_dead  # noqa: PLC0415 - it reads processes

        return [worker for worker in registered if not is_provably_dead(worker)]

    # -- waiting ------------------------------------------------------------------------------------

    def wait(
        self,
        job_id: str,
        *,
        timeout: float | None = None,
        on_change: Callable[[AsyncJob], None] | None = None,
    ) -> AsyncJob:
        """Wait until a job has ended; follows the successors that a worker queues by itself.

        *on_change* is called with the job whenever it looks different. Raises WaitTimeoutError after
        *timeout* seconds, NotFoundError, StoreError if the store was moved, deleted or replaced meanwhile.
        """
        from agentsd.supervisor.waiting import wait_for  # noqa: PLC0415 - what only enqueues does not wait

        return wait_for(self.db, job_id, timeout=timeout, on_change=on_change)

    # -- cancelling ---------------------------------------------------------------------------------

    def cancel(
        self, job_id: str, *, reason: str = "", signal: str | None = None, force: bool = False
    ) -> CancelOutcome:
        """Cancel a job: a queued one at once, a running one through its owner.

        *signal* names what its process gets first (``TERM`` by default). Waits up to five seconds for the
        owner to react; with *force*, a job whose owner does not react is killed from here. Raises
        InvalidTransitionError if the job has ended, NotFoundError, InvalidInputError.
        """
        from agentsd.supervisor.cancelling import cancel_job  # noqa: PLC0415 - brings what ends processes

        return cancel_job(self.db, self.settings, job_id, reason=reason, signal=signal, force=force)

    def cancel_many(
        self, ids: Sequence[str], *, reason: str = "", signal: str | None = None, force: bool = False
    ) -> builtins.list[CancelOutcome | AgentsError]:
        """As :meth:`cancel`, of any number of jobs, a few hundred in a transaction.

        Returns for each what became of it, or the error that :meth:`cancel` would raise; one that cannot be cancelled
        does not keep the others from it. Raises InvalidInputError for what is no signal.
        """
        from agentsd.supervisor.cancelling import cancel_jobs  # noqa: PLC0415 - brings what ends processes

        return cancel_jobs(self.db, self.settings, ids, reason=reason, signal=signal, force=force)

    # -- workers ------------------------------------------------------------------------------------

    def stop_worker(self, worker_id: str, *, now: bool = False) -> Worker:
        """Tell a supervisor of this host to stop: gracefully, or with *now* by ending its jobs first.

        Raises NotFoundError, ConflictError if it is not here or not alive.
        """
        from agentsd.supervisor import asking  # noqa: PLC0415 - few commands signal workers

        return asking.stop(self.db, worker_id, now=now)

    def drain_worker(self, worker_id: str) -> Worker:
        """Tell a supervisor of this host to take no more jobs, and to end when its last one has. Raises as above."""
        from agentsd.supervisor import asking  # noqa: PLC0415 - see above

        return asking.drain(self.db, worker_id)

    def reload_worker(self, worker_id: str) -> Worker:
        """Tell a supervisor of this host to read its configuration again. Raises as above."""
        from agentsd.supervisor import asking  # noqa: PLC0415 - see above

        return asking.reload(self.db, worker_id)

    # -- closing ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection."""
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(state: StateDir | None = None, settings: Settings | None = None) -> Client:
    """Open the store: that of the environment, unless *state* says another.

    Raises StateDirError, StoreError, ConfigError.
    """
    chosen = settings if settings is not None else load_settings()
    return Client(open_store(state if state is not None else state_dir()), chosen)


def _plan_data(payload: JSON) -> Mapping[str, JSON]:
    """What a payload adds to a job of a plan. Raises BadPayloadError."""
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        raise BadPayloadError(f"The payload of a plan's job: expected an object, got {payload!r}.")
    return cast("dict[str, JSON]", payload)


def plan_timeout(db: Database, plan_id: str, phase: Phase) -> float | None:
    """Seconds that the frozen plan gives to its execution; None where it says nothing."""
    if phase is not Phase.EXECUTE:
        return None
    return orjson.loads(plans.get(db, plan_id).frozen_json).get("timeout")
