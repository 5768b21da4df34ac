"""How a job ended, decided from facts alone. When several causes meet, the first one wins."""

from __future__ import annotations

from typing import Any

import orjson

from agentsd.model import JSON, AsyncJob, AsyncJobStatus, Reason
from agentsd.store.claims import Ending
from agentsd.store.jobs import NewJob, successor_of
from agentsd.store.units import format_bytes
from agentsd.supervisor import sentences
from agentsd.supervisor.running import RunningJob
from agentsd.workers.frames import Kind

# Why the ladder was climbed -> how the job ends.
_CAUSES = {
    "cancelled": (AsyncJobStatus.CANCELLED, Reason.CANCELLED),
    "timeout": (AsyncJobStatus.FAILED, Reason.TIMEOUT),
    "shutdown": (AsyncJobStatus.FAILED, Reason.INTERRUPTED),
    "output_limit": (AsyncJobStatus.FAILED, Reason.OUTPUT_LIMIT),
    "worker_lost": (AsyncJobStatus.FAILED, Reason.WORKER_LOST),
}
_NO_MEMORY = ("MemoryError", "Cannot allocate memory", "failed to map segment")
# What trying again cannot mend.
_FINAL = frozenset({Reason.BAD_PAYLOAD, Reason.CONFLICT})


def verdict(running: RunningJob, *, max_attempts: int, rerun_safe: bool) -> Ending:
    """The ending of a job whose tree is gone."""
    facts = running.ended or {}
    status, reason, error = _decide(running, facts)
    frame = running.last_frame[1] if running.last_frame else {}
    result = frame.get("result")
    return Ending(
        job=running.job,
        status=status,
        reason=reason,
        result=orjson.dumps(result).decode() if result is not None or reason is Reason.COMPLETED else None,
        error=error,
        exit_code=facts.get("exit_code"),
        signal=facts.get("signal"),
        user_s=facts.get("user_s"),
        system_s=facts.get("system_s"),
        max_rss_bytes=facts.get("max_rss_bytes"),
        progress=running.progress,
        detail=_detail(running, facts, status),
        successor=successor(running.job, status, reason, max_attempts=max_attempts, rerun_safe=rerun_safe),
    )


def _decide(running: RunningJob, facts: dict[str, Any]) -> tuple[AsyncJobStatus, Reason, str | None]:
    cause = facts.get("cause") or ""
    if running.last_frame is not None:
        kind, frame = running.last_frame
        # Killed by the ladder with the result already sent: the result was first, and is kept.
        exited_well = facts.get("exit_code") in (0, None) and (cause or not facts.get("signal"))
        if kind is Kind.RESULT and not frame["token"] and exited_well:
            return AsyncJobStatus.SUCCEEDED, Reason.COMPLETED, None
        if kind is Kind.ERROR and not cause:
            return AsyncJobStatus.FAILED, Reason(frame["reason"]), _error(running, facts, frame["error"])
        cause = cause or frame.get("token") or frame.get("reason") or ""
    if facts.get("signal") == "SIGALRM":  # the backstop: its spawner was stopped when the deadline came
        cause = cause or "timeout"
    if cause:
        status, reason = _CAUSES.get(cause, _CAUSES["cancelled"])
        return status, reason, sentences.about_cause(running, facts, reason)
    if facts.get("signal") == "SIGKILL" and (facts.get("oom_kills") or facts.get("oom_suspicion")):
        return AsyncJobStatus.FAILED, Reason.OUT_OF_MEMORY, sentences.about_memory(facts)
    if facts.get("signal"):
        return AsyncJobStatus.FAILED, Reason.SIGNALLED, sentences.about_signal(running, facts)
    return AsyncJobStatus.FAILED, Reason.EXITED, sentences.about_exit(running, facts)


def _error(running: RunningJob, facts: dict[str, Any], error: str) -> str:
    """What a handler has raised, and what may have led to it."""
    if facts.get("oom_kills"):
        return f"{error} The kernel has killed processes of it because memory ran out."
    if "memory" in running.limits and any(words in error for words in _NO_MEMORY):
        return f"{error} (each process of it may have {format_bytes(running.limits['memory'])}: async.memory_limit)"
    return error


def _detail(running: RunningJob, facts: dict[str, Any], status: AsyncJobStatus) -> dict[str, JSON]:
    detail: dict[str, JSON] = {}
    if facts.get("stages"):
        detail["ladder"] = facts["stages"]
    for name in ("stack", "oom_kills", "oom_suspicion", "oom_hint"):
        if facts.get(name):
            detail[name] = facts[name]
    if running.unkillable:
        detail["unkillable"] = running.unkillable
    if running.cancel is not None and status is AsyncJobStatus.CANCELLED:
        detail["cancelled_by"] = running.cancel.by
        detail["why"] = running.cancel.why or None
    return detail


def successor(
    job: AsyncJob, status: AsyncJobStatus, reason: Reason, *, max_attempts: int, rerun_safe: bool
) -> NewJob | None:
    """The job that is queued because this one ended so, or None.

    An interrupted job was not at fault: the same attempt again, unless running it twice may do harm.
    Any other failure is tried again while attempts are left.
    """
    if status is not AsyncJobStatus.FAILED or reason in _FINAL:
        return None
    if reason is Reason.INTERRUPTED:
        return successor_of(job, attempt=job.attempt) if rerun_safe else None
    return successor_of(job, attempt=job.attempt + 1) if job.attempt < max_attempts else None
