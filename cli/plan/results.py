"""The results of plans: finding the one that counts, and saying it in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from agentsd.cli.output import printable
from agentsd.cli.shapes import parsed
from agentsd.cli.words import count
from agentsd.errors import ConflictError
from agentsd.model import ACTIVE_STATUSES, JSON, AsyncJob, PlanRow

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Change:
    """A change set. *job_id* None: it was captured now from the sandbox of a job that died."""

    job_id: str | None
    result: Mapping[str, JSON]

    @property
    def is_partial(self) -> bool:
        """Whether the job that made it did not succeed."""
        return self.result.get("kind") != "result"


def find_change(client: Client, plan: PlanRow) -> Change:
    """The change set of the latest success of a plan; else the partial one of its latest attempt.

    Raises ConflictError if there is none.
    """
    from agentsd.plans.upkeep import late_result  # noqa: PLC0415 - knows git
    from agentsd.store import jobs  # noqa: PLC0415 - loaded with the client

    latest = jobs.latest_result(client.db, plan.plan_id)
    if latest is not None:
        return Change(latest.job_id, parsed(latest.result) or {})
    its_jobs = client.list(plan_id=plan.plan_id)
    late = late_result(
        client.state.root, plan.plan_id, [job.job_id for job in its_jobs if not job.status.is_terminal]
    )
    if late is not None:
        return Change(None, late)
    for job in its_jobs:
        result = parsed(job.result)
        if isinstance(result, dict) and "base" in result:
            return Change(job.job_id, cast("dict[str, JSON]", result))
    raise ConflictError(f"Plan {plan.plan_id} is {plan.state} and has no result. Execute it first.")


def active_job(client: Client, plan_id: str) -> AsyncJob | None:
    """The job of a plan that has not ended, if there is one."""
    return next(iter(client.list(plan_id=plan_id, statuses=ACTIVE_STATUSES, limit=1)), None)


def latest_job(client: Client, plan: PlanRow) -> AsyncJob:
    """The newest job of a plan. Raises ConflictError if it has none."""
    found = client.list(plan_id=plan.plan_id, limit=1)
    if not found:
        raise ConflictError(f"Plan {plan.plan_id} is {plan.state}: it has no job yet. Execute it first.")
    return found[0]


def refuse_active(client: Client, plan: PlanRow) -> None:
    """Raise ConflictError, naming the job, while one of the plan is queued or running."""
    job = active_job(client, plan.plan_id)
    if job is not None:
        raise ConflictError(
            f"Plan {plan.plan_id} has an active job: {job.job_id} ({job.phase}, {job.status})."
            f" Cancel it first: agents plan cancel {plan.plan_id}"
        )


def unkept_words(report: Mapping[str, JSON]) -> str:
    """What an apply takes away beyond the change that the plan made; empty if nothing."""
    paths = report.get("unkept") or ()
    if not paths:
        return ""
    named = ", ".join(map(printable, paths[:_NAMED])) + (", …" if len(paths) > _NAMED else "")
    return f"Git keeps less than stood there (a filter, line ends): {named}. A revert brings it back."


def change_words(result: Mapping[str, JSON]) -> str:
    """A change set in words: ``3 files, +12 -4``, and what of the steps' work is not in it."""
    ignored = int(result.get("ignored") or 0)
    left_out = f"; {count(ignored, 'ignored path')} left out" if ignored else ""
    if result.get("empty"):
        return f"nothing{left_out}"
    words = count(len(result.get("files") or ()), "file")
    if result.get("insertions") is not None:
        words += f", +{result['insertions']} -{result['deletions']}"
    return words + (" (partial)" if result.get("kind") == "partial" else "") + left_out
