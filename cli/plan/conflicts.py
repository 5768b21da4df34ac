"""What to do about an apply that does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from agentsd.model import JSON
from agentsd.plans.conflicts import BRANCH, EDITED, IN_THE_WAY, NESTED, OUTSIDE

_NOT_OF_GIT = IN_THE_WAY | {BRANCH, EDITED, NESTED, OUTSIDE}


def conflicts_of(result: JSON) -> list[tuple[str, str]]:
    """The (kind, path) pairs in the result of an apply; none if it is of another kind."""
    if not isinstance(result, dict):
        return []
    listed = cast("dict[str, list[dict[str, str]]]", result).get("conflicts") or []
    return [(each["kind"], each["path"]) for each in listed]


def what_next(plan_id: str, conflicts: Sequence[tuple[str, str]]) -> Iterable[str]:
    """The commands that help, one a line, by what kinds of conflict there are."""
    kinds = {kind for kind, _ in conflicts}
    if not kinds:
        return
    yield f"The change is still there: agents plan diff {plan_id}"
    if OUTSIDE in kinds:
        yield "The plan's `paths` do not allow it: correct them in its file, then create and execute it anew."
    if kinds & IN_THE_WAY:
        yield f"Move away what is in the way, then: agents plan apply {plan_id}"
    if BRANCH in kinds:
        yield f"Check that branch out, or apply it here: agents plan apply --onto-current {plan_id}"
    if EDITED in kinds:
        yield f"What is applied is what `diff` shows. Without those edits: agents plan apply --as-captured {plan_id}"
        yield "The sandbox then stays, so that you can take them from there; or undo them there and apply."
    if kinds - _NOT_OF_GIT:
        yield f"To make it anew from the project as it is now: agents plan execute {plan_id}, then apply it."
        yield (
            "Or merge it by hand: commit what you have, then:"
            f" agents plan diff {plan_id} --no-pager | git apply --3way"
        )
