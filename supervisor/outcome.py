"""What a finished job means for whoever waited for it."""

from __future__ import annotations

from agentsd.errors import ExitCode
from agentsd.model import AsyncJob, AsyncJobStatus, Reason


def exit_code_for(job: AsyncJob) -> ExitCode:
    """The exit code of a command that waited for *job*."""
    if job.status is AsyncJobStatus.SUCCEEDED:
        return ExitCode.OK
    if job.status is AsyncJobStatus.CANCELLED:
        return ExitCode.CANCELLED
    if job.reason is Reason.TIMEOUT:
        return ExitCode.TIMED_OUT
    return ExitCode.CONFLICT if job.reason is Reason.CONFLICT else ExitCode.ERROR
