"""A phase whose code is in its payload, for what only one test needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsd import JobContext


def snippet(job: JobContext) -> object:
    """Run ``code``, which sees ``job`` and the rest of the payload as ``given``, and return its ``answer``."""
    names: dict[str, object] = {"job": job, "given": job.payload}
    exec(compile(job.payload["code"], "snippet.py", "exec"), names)  # noqa: S102 - a test's own code
    return names.get("answer")
