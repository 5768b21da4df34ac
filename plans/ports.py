"""What a plan needs from the job that runs it, as protocols.

:class:`agentsd.workers.context.JobContext` satisfies them. Plans lie below the workers, so they name
what they use instead of importing it; a test can run a plan with a few lines of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from agentsd.model import JSON


class Token(Protocol):
    """The job's cancellation token."""

    @property
    def is_set(self) -> bool:
        """Whether the job has been asked to end."""
        ...

    def wait(self, timeout: float | None) -> bool:
        """Wait up to *timeout* seconds; True as soon as the token is set."""
        ...

    def raise_if_set(self) -> None:
        """Raise :class:`agentsd.errors.JobCancelled` if the token is set."""
        ...


class ToolResult(Protocol):
    """How one tool ended."""

    @property
    def exit_code(self) -> int | None:
        """The exit status; None if a signal ended it."""
        ...

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended it, such as ``SIGKILL``."""
        ...

    @property
    def timed_out(self) -> bool:
        """Whether its own time limit ended it."""
        ...

    @property
    def survivors(self) -> int:
        """How many processes it left behind, which were ended after it."""
        ...


class RunTool(Protocol):
    """Running one tool to its end, as :meth:`JobPort.run` and :meth:`JobPort.run_last` do."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        output: Path | None = None,
    ) -> ToolResult:
        """Run *argv*."""
        ...


class JobInfo(Protocol):
    """Which job this is."""

    @property
    def job_id(self) -> str:
        """The job's ULID."""
        ...


class JobPort(Protocol):
    """The members of the job context that plans use."""

    @property
    def job(self) -> JobInfo:
        """Which job this is."""
        ...

    @property
    def payload(self) -> JSON:
        """The data of the job's payload envelope."""
        ...

    @property
    def plan(self) -> Mapping[str, JSON] | None:
        """The plan this job works on: ``plan_id``, ``project``, ``frozen``, ``latest`` and more."""
        ...

    @property
    def token(self) -> Token:
        """Set when the job shall end."""
        ...

    @property
    def state_root(self) -> Path:
        """The state directory."""
        ...

    @property
    def log_dir(self) -> Path:
        """The folder of this job's logs."""
        ...

    @property
    def options(self) -> Mapping[str, JSON]:
        """The settings that reach a job: ``sandbox_base``, ``sandbox_cleanup``, ``limits``."""
        ...

    def progress(self, value: JSON) -> None:
        """Replace what is shown as the job's progress."""
        ...

    @property
    def run(self) -> RunTool:
        """Run a tool under the token; see :meth:`agentsd.workers.context.JobContext.run`."""
        ...

    @property
    def run_last(self) -> RunTool:
        """Run a tool although the token is set; see :meth:`agentsd.workers.context.JobContext.run_last`."""
        ...

    def shield(self) -> AbstractContextManager[None]:
        """While held, cancel and timeout wait."""
        ...
