"""What a handler gets: its job, its payload, the token, and the means to run tools and report progress."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager

from agentsd.errors import JobCancelled
from agentsd.workers.token import CancellationToken

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, NamedTuple

    from agentsd.model import JSON
    from agentsd.workers.tools import ToolResult

    class _Info(NamedTuple):
        job_id: str
        plan_id: str
        phase: str
        attempt: int
        timeout: float
else:
    _Info = namedtuple("_Info", "job_id plan_id phase attempt timeout")

TIDY_SHARE = 0.75
"""Share of the grace after which nothing is begun or goes on any more, so that there is time to keep what was done."""

PlanOrder = Mapping[str, "Any"]
"""A job's plan: ``plan_id, name, project, branch, head, frozen`` and ``latest`` (the latest successful
execute as ``{"job_id", "result"}``, or None)."""


class JobInfo(_Info):
    """Which job this is. ``timeout`` is seconds."""

    __slots__ = ()


class JobContext:
    """One job, as its handler sees it."""

    job: JobInfo
    payload: JSON
    """The data of the payload's envelope."""
    plan: PlanOrder | None
    options: Mapping[str, JSON]
    """Settings that the built-in phases need: ``sandbox_base``, ``sandbox_cleanup``, ``limits``."""
    grace: float
    """Seconds between TERM and KILL for this job; its tools get half of it."""

    def __init__(
        self,
        *,
        job: JobInfo,
        payload: JSON,
        plan: PlanOrder | None,
        options: Mapping[str, JSON],
        grace: float,
        state_root: Path | str,
        log_dir: Path | str,
        token: CancellationToken,
        report: Callable[[JSON], None],
        set_shield: Callable[[bool], None],
    ) -> None:
        """Made by agentsd, in the job's process."""
        self.job, self.payload, self.plan, self.options, self.grace = job, payload, plan, options, grace
        self._state_root, self._log_dir = state_root, log_dir
        self._token, self._report, self._set_shield = token, report, set_shield

    @property
    def state_root(self) -> Path:
        """The state directory; ``sandboxes/``, ``apply/`` and ``locks/`` lie below it."""
        from pathlib import Path  # noqa: PLC0415 - most handlers do not ask

        return Path(self._state_root)

    @property
    def log_dir(self) -> Path:
        """``<state>/logs/<job_id>``; the job's own output already goes to ``job.log`` in it."""
        from pathlib import Path  # noqa: PLC0415 - see above

        return Path(self._log_dir)

    @property
    def token(self) -> CancellationToken:
        """The token. From the first look at it on, the handler decides itself when it ends (see the token)."""
        self._token.watch()
        return self._token

    def progress(self, value: JSON) -> None:
        """Replace the job's progress by *value*, which anyone can see. Never blocks; the newest wins."""
        with self._token.held():
            self._report(value)

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        output: Path | None = None,
    ) -> ToolResult:
        """Run a tool to its end, under the token.

        *env* is the whole environment (None: this process's); *timeout* is seconds; *output* is a file
        that its stdout and stderr are appended to (None: the job's log). Its stdin is ``/dev/null``. When
        the token is set or the time is over, its process group gets TERM, at half the grace KILL; what
        it left behind is ended before this returns. Raises JobCancelled if the token is set, OSError if the
        tool cannot be started; an exit code other than 0 is no error here.
        """
        from agentsd.workers.tools import run_tool  # noqa: PLC0415 - subprocess is heavy; many jobs run no tool

        with self._token.held():
            return run_tool(
                argv,
                token=self._token,
                grace=self.grace / 2,
                cwd=cwd,
                env=env,
                timeout=timeout,
                output=output,
            )

    def run_last(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        output: Path | None = None,
    ) -> ToolResult:
        """Run a tool although the token is set, to tidy up: in what is left of the first three quarters of the grace.

        As :meth:`run` otherwise. Raises JobCancelled if nothing is left.
        """
        from agentsd.workers.tools import run_tool  # noqa: PLC0415 - see above

        left = self.grace * TIDY_SHARE - self._token.age
        if left <= 0:
            raise JobCancelled(self._token.reason)
        ending = left / 4  # from TERM to KILL
        limit = left - ending if timeout is None else min(timeout, left - ending)
        with self._token.held():
            return run_tool(
                argv, token=CancellationToken(), grace=ending, cwd=cwd, env=env, timeout=limit, output=output
            )

    @contextmanager
    def shield(self) -> Generator[None]:
        """While held, cancel and timeout wait, for minutes at most. Raises JobCancelled if the token is set.

        For the few writes that must not stop half-way; in the ``apply`` phase only. When they are done, a
        wish to end the job comes too late: the shield stays up and the job ends with its result. Otherwise
        everything would be written and the job be called cancelled.
        """
        self._set_shield(True)
        try:
            # A TERM that came before the shield was up is obeyed; one that comes now waits.
            self._token.raise_if_set()
            with self._token.held():
                yield
                self._token.seal()
        except BaseException:
            self._set_shield(False)
            raise
