"""Saying that the file of a plan has changed since the plan was made of it."""

from __future__ import annotations

from agentsd.model import PlanRow


def source_state(plan: PlanRow) -> str:
    """``same``, ``changed`` or ``gone``."""
    from agentsd.plans.origin import compare  # noqa: PLC0415 - few commands ask

    return compare(plan.source_path, plan.source_sha256)


def source_words(plan: PlanRow) -> str:
    """What a person should know of the file; empty if it is as it was."""
    match source_state(plan):
        case "changed":
            return f"{plan.source_path} has changed since; this plan has not. `agents plan create` makes a new one of it."
        case "gone":
            return f"{plan.source_path} is gone; this plan does not need it."
        case _:
            return ""
