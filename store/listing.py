"""Lists of jobs: filtered, newest first, read page by page so that a million rows need no memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentsd.model import PAYLOAD_VERSION, AsyncJob
from agentsd.store.database import Database
from agentsd.store.jobs import COLUMNS, job_from_row
from agentsd.store.schema import ACTIVE, MAY_START

PAGE = 500
"""Rows read at once."""
_LARGE = {"payload_json": "''", "result": "NULL"}
"""What stands in a short row for the columns of any size."""
_ACTIVE_OF_PLANS = f"SELECT plan_id, job_id FROM async_jobs WHERE status IN {ACTIVE} AND plan_id <> job_id"
# The order of the claim, see store.claims.
_BEFORE = f"""SELECT count(*) FROM async_jobs INDEXED BY jobs_queued WHERE {MAY_START} AND schema_version <= :version
AND (priority > :priority OR (priority = :priority AND seq < (SELECT seq FROM async_jobs WHERE job_id = :job_id)))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs; every condition that is given has to hold. ``since`` is the time before which none was queued."""

    statuses: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    plan_id: str | None = None
    worker_id: str | None = None
    since: str | None = None

    def where(self) -> tuple[str, list[object]]:
        """The conditions as SQL with its values; empty for every job."""
        conditions: list[str] = []
        values: list[object] = []
        for column, several in (("status", self.statuses), ("phase", self.phases)):
            if several:
                conditions.append(f"{column} IN ({', '.join('?' * len(several))})")
                values += several
        for test, value in (
            ("plan_id = ?", self.plan_id),
            ("worker_id = ?", self.worker_id),
            ("created_at >= ?", self.since),
        ):
            if value is not None:
                conditions.append(test)
                values.append(value)
        return "".join(f" AND {each}" for each in conditions), values


def walk_jobs(
    db: Database, which: JobFilter, *, limit: int | None = None, full: bool = False
) -> Iterator[AsyncJob]:
    """The jobs that fit, newest first, at most *limit*. Without *full* their payloads and results are left out.

    Each page is a query of its own, so that a slow reader keeps no transaction open. Jobs that are queued
    meanwhile are not in it.
    """
    columns = ", ".join(COLUMNS if full else (_LARGE.get(name, name) for name in COLUMNS))
    where, values = which.where()
    sql = f"SELECT seq, {columns} FROM async_jobs WHERE seq < ?{where} ORDER BY seq DESC LIMIT ?"
    before, left = 2**63 - 1, limit
    while left is None or left > 0:
        wanted = PAGE if left is None else min(PAGE, left)
        found = db.read(sql, (before, *values, wanted))
        for row in found:
            yield job_from_row(row[1:])
        if len(found) < wanted:
            return
        before = found[-1][0]
        left = None if left is None else left - wanted


def active_jobs_of_plans(db: Database) -> list[tuple[str, str]]:
    """(plan_id, job_id) of the jobs of plans that have not ended, however many others are queued."""
    return db.read(_ACTIVE_OF_PLANS)


def unknown_jobs(db: Database, ids: Sequence[str]) -> Iterator[str]:
    """Those of *ids* that are no job of this store."""
    for begin in range(0, len(ids), PAGE):
        some = ids[begin : begin + PAGE]
        marks = ", ".join("?" * len(some))
        known = {row[0] for row in db.read(f"SELECT job_id FROM async_jobs WHERE job_id IN ({marks})", some)}
        yield from (each for each in some if each not in known)


def jobs_before(db: Database, job: AsyncJob) -> int:
    """How many queued jobs are claimed before *job*."""
    values = {"version": PAYLOAD_VERSION, "priority": job.priority, "job_id": job.job_id}
    return db.read(_BEFORE, values)[0][0]
