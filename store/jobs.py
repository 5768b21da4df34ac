"""``async_jobs``: putting jobs in and looking at them. What their owner writes is in ``store.claims``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from agentsd.errors import ConflictError, InvalidInputError, NotFoundError
from agentsd.faults import reach
from agentsd.model import JSON, PAYLOAD_VERSION, PLAN_PHASES, AsyncJob, AsyncJobStatus, Phase, Reason
from agentsd.store import events, plans
from agentsd.store.database import Database
from agentsd.store.ids import new_id, resolve_id
from agentsd.store.payload import wrap
from agentsd.store.schema import ACTIVE
from agentsd.store.transaction import Transaction

_NO_DATA: Mapping[str, JSON] = MappingProxyType({})
COLUMNS = tuple(field.name for field in fields(AsyncJob))
COLUMN_LIST = ", ".join(COLUMNS)
_SELECT = f"SELECT {COLUMN_LIST} FROM async_jobs"
_QUEUED = AsyncJobStatus.QUEUED.value  # sqlite3 takes plain text several times as fast as an enum's
_STATUS, _REASON = COLUMNS.index("status"), COLUMNS.index("reason")
_INSERT = """INSERT INTO async_jobs (job_id, plan_id, phase, status, payload_json, schema_version, created_at,
 attempt, retry_of, priority, timeout, held_at, held_by, waits_for, key)
VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
# UNION, as a row that somebody else wrote may follow itself.
_ACTIVE_ATTEMPT = f"""WITH RECURSIVE later(job_id) AS (
SELECT ? UNION SELECT next.job_id FROM later CROSS JOIN async_jobs AS next ON next.retry_of = later.job_id)
SELECT job_id, status FROM later CROSS JOIN async_jobs USING (job_id) WHERE status IN {ACTIVE}"""
LOWEST_PRIORITY, HIGHEST_PRIORITY = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a caller says of a job; the store adds the rest.

    ``timeout`` is seconds, None for the worker's ``async.job_timeout``. ``plan_id`` None: the job's own id.
    ``payload_json`` is a whole envelope that is carried over as it is (a retry); else ``data`` is wrapped.
    ``hold``: it waits until somebody releases it. ``after``: it waits until that job has succeeded. ``key``: while
    a job with this key is active, no other one is made.
    """

    phase: str
    plan_id: str | None = None
    data: JSON = None
    payload_json: str | None = None
    schema_version: int = PAYLOAD_VERSION
    priority: int = 0
    timeout: float | None = None
    attempt: int = 1
    retry_of: str | None = None
    hold: bool = False
    after: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        """Raises InvalidInputError for a priority out of range."""
        check_priority(self.priority)


def check_priority(priority: int) -> None:
    """Raises InvalidInputError for one that is out of range: SQLite's integers end somewhere."""
    if not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise InvalidInputError("priority", expected=f"{LOWEST_PRIORITY} to {HIGHEST_PRIORITY}", got=priority)


def job_from_row(row: tuple[object, ...]) -> AsyncJob:
    """The domain object of a row that was selected with :data:`COLUMN_LIST`."""
    values: list[Any] = list(row)
    values[_STATUS] = AsyncJobStatus(values[_STATUS])
    values[_REASON] = Reason(values[_REASON]) if values[_REASON] else None
    return AsyncJob(**dict(zip(COLUMNS, values, strict=True)))


def enqueue(db: Database, job: NewJob) -> AsyncJob:
    """Put one job into the queue, durably: when this returns, it is not lost. Wakes nobody."""
    with db.write() as tx:
        return insert_once(tx, job)[0]


def insert_once(tx: Transaction, job: NewJob) -> tuple[AsyncJob, bool]:
    """As :func:`insert`; also whether the job is new, as with a ``key`` it may be the active one of that key."""
    active = active_of_key(tx, job.key)
    return (active, False) if active else (insert(tx, job), True)


def active_of_key(tx: Transaction, key: str | None) -> AsyncJob | None:
    """The job of *key* that has not ended, if there is one."""
    if key is None:
        return None
    found = tx.execute(f"{_SELECT} WHERE key = ? AND status IN {ACTIVE}", (key,))
    return job_from_row(found[0]) if found else None


def insert(tx: Transaction, job: NewJob) -> AsyncJob:
    """Put one job into the queue, with its first event, in an open transaction.

    What is returned is made here, not read back: as the row, whose columns take text, integers and a float.
    """
    job_id = new_id()
    reach("enqueue.insert")
    new = AsyncJob(
        job_id=job_id,
        plan_id=job.plan_id or job_id,
        phase=str(job.phase),
        status=AsyncJobStatus.QUEUED,
        payload_json=job.payload_json if job.payload_json is not None else wrap(job.phase, job.data),
        schema_version=job.schema_version,
        created_at=tx.now,
        attempt=job.attempt,
        retry_of=job.retry_of,
        priority=job.priority,
        timeout=None if job.timeout is None else float(job.timeout),
        held_at=tx.now if job.hold else None,
        held_by=tx.actor.by if job.hold else None,
        waits_for=_awaited(tx, job.after) if job.after else None,
        key=job.key,
    )
    tx.connection.execute(
        _INSERT,
        (
            job_id, new.plan_id, new.phase, new.payload_json, new.schema_version, tx.now, new.attempt, new.retry_of,
            new.priority, new.timeout, new.held_at, new.held_by, new.waits_for, new.key,
        ),
    )  # fmt: skip
    reach("enqueue.inserted")
    events.record(tx, job_id, None, _QUEUED, detail=_origin(job))
    return new


def _origin(job: NewJob) -> dict[str, JSON]:
    origin: dict[str, JSON] = {"retry_of": job.retry_of, "attempt": job.attempt} if job.retry_of else {}
    return origin | ({"after": job.after} if job.after else {}) | ({"held": True} if job.hold else {})


def _awaited(tx: Transaction, job_id: str) -> str | None:
    """The job to wait for if *job_id* is to succeed first: None if it has. Raises ConflictError, NotFoundError.

    What failed and is tried again by itself is not over: its last attempt is what counts.
    """
    while True:
        found = tx.execute("SELECT status, reason, finished_at FROM async_jobs WHERE job_id = ?", (job_id,))
        if not found:
            raise NotFoundError("job", job_id)
        status, reason, finished_at = found[0]
        if not AsyncJobStatus(status).is_terminal:
            return job_id
        if status == AsyncJobStatus.SUCCEEDED:
            return None
        # The worker queues an automatic attempt in the very transaction that ends the one before.
        following = tx.execute(
            "SELECT job_id FROM async_jobs WHERE retry_of = ? AND created_at = ?", (job_id, finished_at)
        )
        if not following:
            raise ConflictError(f"Job {job_id} ended {status} ({reason}): a job after it would never start.")
        job_id = following[0][0]


def insert_for_plan(
    tx: Transaction, plan_id: str, phase: Phase, data: Mapping[str, JSON] = _NO_DATA, **more: Any
) -> AsyncJob:
    """Queue *phase* of a plan and move the plan. Raises ConflictError naming the job that is active.

    *data* goes into the payload beside the plan's id; *more* are fields of :class:`NewJob`, such as ``timeout``.
    """
    active = active_job(tx, plan_id)
    if active is not None:
        raise ConflictError(f"Plan {plan_id} has an active job: {active[0]} ({active[1]}, {active[2]}).")
    plans.begin_phase(tx, plan_id, phase)
    return insert(tx, NewJob(phase=phase, plan_id=plan_id, data={**data, "plan_id": plan_id}, **more))


def active_job(tx: Transaction, plan_id: str) -> tuple[str, str, str] | None:
    """(job_id, phase, status) of the execute or apply of a plan that has not ended, if there is one."""
    found = tx.execute(
        f"""SELECT job_id, phase, status FROM async_jobs
        WHERE plan_id = ? AND status IN {ACTIVE} AND phase IN ('execute', 'apply')""",
        (plan_id,),
    )
    return found[0] if found else None


def insert_retry(tx: Transaction, job: AsyncJob) -> AsyncJob:
    """Queue a new attempt at a job that has ended, because a person asks.

    Raises ConflictError, which names the active job: of its plan, of its key, or an attempt that followed it already.
    """
    if not job.status.is_terminal:
        raise ConflictError(f"Job {job.job_id} is {job.status}: only a job that has ended can be retried.")
    if job.phase in PLAN_PHASES:
        active = active_job(tx, job.plan_id)
        if active is not None:
            raise ConflictError(
                f"Plan {job.plan_id} has an active job: {active[0]} ({active[1]}, {active[2]})."
            )
        plans.begin_phase(tx, job.plan_id, Phase(job.phase))
    following = tx.execute(_ACTIVE_ATTEMPT, (job.job_id,))
    if following:
        new, status = following[0]
        raise ConflictError(f"Job {job.job_id} is tried again already: job {new} is {status}.")
    same = active_of_key(tx, job.key)
    if same is not None:
        raise ConflictError(f"Job {same.job_id} with the same key {job.key!r} is {same.status}.")
    return insert(tx, successor_of(job, attempt=job.attempt + 1))


def successor_of(job: AsyncJob, *, attempt: int) -> NewJob:
    """The row that follows *job*: the same work, as a new job."""
    return NewJob(
        phase=job.phase,
        plan_id=None if job.plan_id == job.job_id else job.plan_id,
        payload_json=job.payload_json,
        schema_version=job.schema_version,
        priority=job.priority,
        timeout=job.timeout,
        attempt=attempt,
        retry_of=job.job_id,
        key=job.key,
    )


def get(db: Database, job_id: str) -> AsyncJob:
    """The job with exactly this id. Raises NotFoundError."""
    found = db.read(f"{_SELECT} WHERE job_id = ?", (job_id,))
    if not found:
        raise NotFoundError("job", job_id)
    return job_from_row(found[0])


def resolve(db: Database, ident: str) -> str:
    """The full id that *ident* (an id, or a prefix or suffix of 6+ characters) names."""
    return resolve_id(db, "job", "async_jobs", "job_id", ident)


def successor(db: Database, job_id: str) -> AsyncJob | None:
    """The newest job that is a retry of this one, if there is one."""
    found = db.read(f"{_SELECT} WHERE retry_of = ? ORDER BY seq DESC LIMIT 1", (job_id,))
    return job_from_row(found[0]) if found else None


def list_jobs(
    db: Database,
    *,
    statuses: Iterable[str] = (),
    plan_id: str | None = None,
    phase: str | None = None,
    worker_id: str | None = None,
    limit: int | None = None,
) -> list[AsyncJob]:
    """Jobs, newest first; every condition that is given has to hold."""
    from agentsd.store.tables import AsyncJobs, rows  # noqa: PLC0415 - defining the models takes 5 ms

    table: Any = AsyncJobs  # untyped: peewee has no annotations
    query = table.select(*(getattr(table, column) for column in COLUMNS))
    wanted = tuple(statuses)
    if wanted:
        query = query.where(table.status.in_(wanted))
    for column, value in (
        (table.plan_id, plan_id),
        (table.phase, phase),
        (table.worker_id, worker_id),
    ):
        if value is not None:
            query = query.where(column == value)
    query = query.order_by(table.seq.desc()).limit(limit)
    with db.explained():
        return [job_from_row(row) for row in rows(query, db.peewee)]


def latest_result(db: Database, plan_id: str) -> AsyncJob | None:
    """The latest ``execute`` of a plan that succeeded: what ``diff`` and ``apply`` use."""
    found = db.read(
        f"{_SELECT} WHERE plan_id = ? AND phase = 'execute' AND status = 'succeeded' ORDER BY seq DESC LIMIT 1",
        (plan_id,),
    )
    return job_from_row(found[0]) if found else None


def counts(db: Database) -> dict[str, int]:
    """How many jobs are in each status; every status is a key."""
    found = dict(db.read("SELECT status, count(*) FROM async_jobs GROUP BY status"))
    return {status.value: found.get(status.value, 0) for status in AsyncJobStatus}


def waiting_for_newer_worker(db: Database) -> list[str]:
    """Ids of queued jobs whose payload version this code does not know; they are not claimed."""
    return [
        row[0]
        for row in db.read(
            "SELECT job_id FROM async_jobs WHERE status = 'queued' AND schema_version > ? ORDER BY seq",
            (PAYLOAD_VERSION,),
        )
    ]
