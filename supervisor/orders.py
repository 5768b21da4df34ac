"""From a claimed row to the order that a spawner runs: payload, plan, handler, limits."""

from __future__ import annotations

import marshal
from dataclasses import dataclass
from typing import Any

import orjson

from agentsd.errors import BadPayloadError, NotFoundError
from agentsd.model import PLAN_PHASES, AsyncJob
from agentsd.store import jobs, plans
from agentsd.store.database import Database
from agentsd.store.payload import unwrap
from agentsd.store.settings import Settings
from agentsd.supervisor.running import RunningJob
from agentsd.workers.order import Order
from agentsd.workers.phases import registered


@dataclass(slots=True)
class OrderBook:
    """Makes orders. Knows the phases that are installed, and looks again when one is not among them."""

    db: Database
    settings: Settings
    _handlers: dict[str, str] | None = None

    def prepare(self, job: AsyncJob) -> RunningJob:
        """All that the job's process needs, or why there will be none: ``refused``."""
        try:
            return self._prepare(job)
        except BadPayloadError as error:
            return RunningJob(
                job=job, order_body=b"", handler="", timeout=0.0, rerun_safe=False, refused=str(error)
            )

    def _prepare(self, job: AsyncJob) -> RunningJob:
        envelope = unwrap(job.payload_json)
        plan = self._plan(job)
        extras = {
            "payload": envelope.get("data"),
            "plan": plan,
            "options": {
                "sandbox_base": self.settings.sandbox_base,
                "sandbox_cleanup": self.settings.sandbox_cleanup,
                "limits": self.settings.limits,
            },
        }
        return RunningJob(
            job=job,
            order_body=marshal.dumps(extras),
            handler=self._handler(job.phase),
            timeout=job.timeout or self.settings.job_timeout,
            rerun_safe=plan is None or _is_rerun_safe(plan),
            # A plan's steps are what is limited, not the git commands around them.
            limits={} if job.phase in PLAN_PHASES else self.settings.limits,
        )

    def order(self, running: RunningJob) -> Order:
        """The order to run this job now, under the settings as they are now."""
        job = running.job
        of_plan = "" if job.plan_id == job.job_id else f" plan {job.plan_id}"
        return Order(
            job_id=job.job_id,
            plan_id=job.plan_id,
            phase=job.phase,
            attempt=job.attempt,
            handler=running.handler,
            title=f"agents job {job.job_id} {job.phase}{of_plan}",
            timeout=running.timeout,
            grace=self.settings.cancel_grace,
            state_root=str(self.db.state.root),
            log_dir=str(self.db.state.job_logs(job.job_id)),
            log_limit=self.settings.log_limit,
            limits=running.limits,
        )

    def _handler(self, phase: str) -> str:
        if self._handlers is None or phase not in self._handlers:
            self._handlers = registered()
        if phase not in self._handlers:
            known = ", ".join(sorted(self._handlers))
            raise BadPayloadError(f"No installed package registers the phase {phase!r} (there are: {known}).")
        return self._handlers[phase]

    def _plan(self, job: AsyncJob) -> dict[str, Any] | None:
        if job.plan_id == job.job_id:
            return None
        try:
            row = plans.get(self.db, job.plan_id)
        except NotFoundError as error:
            if job.phase in PLAN_PHASES:
                raise BadPayloadError(str(error)) from error
            return None
        latest = jobs.latest_result(self.db, job.plan_id)
        return {
            "plan_id": row.plan_id,
            "name": row.name,
            "project": row.project,
            "branch": row.branch,
            "head": row.head,
            "frozen": orjson.loads(row.frozen_json),
            "latest": latest and {"job_id": latest.job_id, "result": orjson.loads(latest.result or "null")},
        }


def _is_rerun_safe(plan: dict[str, Any]) -> bool:
    """Whether an interrupted job of this plan may run again by itself: in a sandbox it starts afresh."""
    frozen = plan["frozen"]
    return frozen.get("sandbox") != "none" or bool(frozen.get("rerun_safe"))
