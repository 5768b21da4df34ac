"""When a step runs: ``if: success()``, ``failure()`` or ``always()``."""

from __future__ import annotations

from enum import StrEnum


class Condition(StrEnum):
    """When a step runs, judged when its turn comes."""

    SUCCESS = "success()"
    """Every step before it succeeded, or failed with continue-on-error. The default."""
    FAILURE = "failure()"
    """Some step before it failed."""
    ALWAYS = "always()"
    """Whatever happened; also when the job is cancelled or its time is over, as long as the grace allows."""

    def holds(self, *, failed: bool) -> bool:
        """Whether a step with this condition runs, given whether the plan has *failed* so far."""
        return self is Condition.ALWAYS or failed == (self is Condition.FAILURE)
