"""How long the steps of a plan will take, judged by how long the same steps took before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from agentsd.cli.output import json_text
from agentsd.cli.progress import steps_of
from agentsd.cli.shapes import parsed
from agentsd.cli.words import seconds_between
from agentsd.model import JSON, PlanRow
from agentsd.plans.conditions import Condition

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

_PLANS_LOOKED_AT = 50
_RUNS_LOOKED_AT = 3


def expected_seconds(client: Client, plan: PlanRow) -> list[float | None]:
    """How long each step of *plan* took the last time it succeeded; None where nobody knows.

    The same step of an earlier plan from the same file counts, too: after a correction a plan is created anew.
    """
    known: dict[str, float] = {}
    for earlier in _relatives(client, plan):
        for step, seconds in _measured(client, earlier):
            known.setdefault(step, seconds)
    steps: Sequence[Mapping[str, JSON]] = parsed(plan.frozen_json)["steps"]
    # What runs only after a failure is no part of what is to be expected.
    return [0.0 if step.get("if") == Condition.FAILURE else known.get(json_text(step)) for step in steps]


def _relatives(client: Client, plan: PlanRow) -> Iterator[PlanRow]:
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    yield plan
    for other in plans.list_plans(client.db, limit=_PLANS_LOOKED_AT):
        origin = (other.source_path, other.project)
        if other.plan_id != plan.plan_id and origin == (plan.source_path, plan.project):
            yield other


def _measured(client: Client, plan: PlanRow) -> Iterator[tuple[str, float]]:
    """Each step of the plan's newest runs that succeeded, and how long it took; newest first."""
    frozen = [json_text(step) for step in parsed(plan.frozen_json)["steps"]]
    for job in client.list(plan_id=plan.plan_id, limit=_RUNS_LOOKED_AT):
        for step, told in zip(frozen, steps_of(parsed(job.progress)), strict=False):
            begun, ended = told.get("started_at"), told.get("finished_at")
            if told.get("state") == "succeeded" and begun and ended:
                yield step, seconds_between(str(begun), str(ended))
