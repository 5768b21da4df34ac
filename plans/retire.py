"""Taking a sandbox away that may still hold work: what nobody has captured is captured first or stays."""

from __future__ import annotations

from pathlib import Path

from agentsd.errors import SandboxError
from agentsd.plans import capture, lifecycle, refs
from agentsd.plans.git import shown
from agentsd.plans.repository import Repository
from agentsd.plans.sandbox import Sandbox

_NAMED = 5


def retire(repository: Repository, state_root: Path, box: Sandbox) -> None:
    """Remove a sandbox; under the repository's lock. SandboxError if it was edited since its capture, or is in use."""
    if box.complete and box.is_there:
        captured = captured_commit(repository, box)
        if captured is None:
            capture.capture(repository, state_root, box)
        elif edited := capture.edited_since(repository, state_root, box, captured):
            named = ", ".join(map(shown, edited[:_NAMED])) + (", …" if len(edited) > _NAMED else "")
            raise SandboxError(
                f"{box.root} was edited since its change was captured ({named}); it stays. "
                f"Take out what you want, then: agents plan discard {box.plan_id}"
            )
    lifecycle.remove(repository, box)


def captured_commit(repository: Repository, box: Sandbox) -> str | None:
    """The commit that holds the content of the sandbox, as it was captured; None if it was not."""
    ref = refs.job_ref(box.plan_id, box.job_id, "result")
    return refs.listed(repository.git, box.plan_id).get(ref)
