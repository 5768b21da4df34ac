"""The two phases that come with agentsd; ``setup.cfg`` names them in the entry-point group."""

from __future__ import annotations

from agentsd.model import JSON
from agentsd.plans import apply as plans_apply
from agentsd.plans import execute as plans_execute
from agentsd.plans.ports import JobPort


def execute(job: JobPort) -> JSON:
    """Run the plan's steps in its sandbox and return the change set they made."""
    return plans_execute.execute(job)


def apply(job: JobPort) -> JSON:
    """Bring the change set of the plan's latest success into the project."""
    return plans_apply.apply(job)
