"""Every error that agentsd raises on purpose, and the exit code each one becomes.

One base class, :class:`AgentsError`. Each subclass is built from facts and writes its own
sentence, so that the same mistake reads the same wherever it is found. Nothing else in the
package may reach the user as a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """The one table of exit codes of the ``agents`` command."""

    OK = 0
    ERROR = 1
    """Something failed; also: a job that was waited for failed, diagnostics found errors."""
    USAGE = 2
    """Wrong usage or invalid input."""
    NOT_FOUND = 3
    CONFLICT = 4
    """A conflict, or the thing is in the wrong state for this."""
    TIMED_OUT = 124
    """The wait's own limit passed, or the job ended with the reason ``timeout``."""
    CANCELLED = 130


def _one_line(text: str) -> str:
    """*text*, such as a path with a line end in it, as it may stand in a sentence."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class AgentsError(Exception):
    """Base class. ``str(error)`` is one line that a person can act on."""

    exit_code: ExitCode = ExitCode.ERROR
    result: object = None
    """A JSON value to keep as the job's result although the job failed (a partial change set)."""


class InvalidInputError(AgentsError):
    """Input that is not what was expected; says what was expected and what was got."""

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, *, expected: str, got: object, hint: str = "") -> None:
        tail = f" {hint}" if hint else ""
        super().__init__(f"{what}: expected {expected}, got {got!r}.{tail}")


class PlanFileError(AgentsError):
    """A plan file is wrong: where, what, and what would have been right."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: str, line: int, problem: str, *, hint: str = "") -> None:
        tail = f" {hint}" if hint else ""
        super().__init__(f"{path}:{line}: {problem}.{tail}")
        self.path, self.line, self.problem, self.hint = path, line, problem, hint


class NotFoundError(AgentsError):
    """Nothing has that id."""

    exit_code = ExitCode.NOT_FOUND

    def __init__(self, kind: str, ident: str, hint: str = "") -> None:
        tail = hint or f"`agents {kind} list` shows what there is."
        super().__init__(f"There is no {kind} {ident!r}. {tail}")


class AmbiguousIdError(AgentsError):
    """A prefix or suffix fits several ids."""

    exit_code = ExitCode.USAGE

    def __init__(self, kind: str, ident: str, candidates: Sequence[str]) -> None:
        shown = candidates[:4]
        names = ", ".join(shown) + (", …" if len(candidates) > len(shown) else "")
        super().__init__(f"{ident!r} fits several {kind}s ({names}). Give more characters.")


class ConflictError(AgentsError):
    """The thing exists but its state does not allow this."""

    exit_code = ExitCode.CONFLICT


class InvalidTransitionError(ConflictError):
    """A move that the state machine does not have."""

    def __init__(self, job_id: str, current: str, wanted: str) -> None:
        super().__init__(f"Job {job_id} is {current}: it cannot become {wanted}.")
        self.job_id, self.current, self.wanted = job_id, current, wanted


class WaitTimeoutError(AgentsError):
    """The limit of a wait passed before what was waited for happened."""

    exit_code = ExitCode.TIMED_OUT

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} did not end within {seconds:g} s; it goes on.")


class StoreError(AgentsError):
    """The store cannot be used; says why and what to do."""


class StoreVersionError(StoreError):
    """The store was written by a newer agentsd."""

    def __init__(self, path: str, found: Sequence[str]) -> None:
        super().__init__(
            f"{path} was written by a newer agentsd (it has {', '.join(found)}). "
            "Upgrade agentsd, or point AGENTS_STATE_DIR at another directory."
        )


class StoreBusyError(StoreError):
    """Another process held the writer mutex for too long."""

    def __init__(self, path: str, seconds: float, holder: str) -> None:
        super().__init__(
            f"{path} was locked for {seconds:g} s by {holder}. Is a process stopped, or the machine overloaded?"
        )


class StateDirError(AgentsError):
    """The state directory cannot be used."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"State directory {path}: {problem}. Set AGENTS_STATE_DIR to another one.")


class ConfigError(InvalidInputError):
    """A configuration key or value is wrong."""


class ContainmentError(AgentsError):
    """A worker is to keep its jobs in control groups, and cannot."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"async.containment is cgroup, but {problem}. {hint}")


class GitError(AgentsError):
    """git refused; carries its words."""

    def __init__(self, args: Sequence[str], returncode: int, stderr: str) -> None:
        words = " ".join(stderr.split()) or "no message"
        super().__init__(f"`git {' '.join(args)}` ended with {returncode}: {words}")
        self.returncode, self.stderr = returncode, stderr


class GitMissingError(AgentsError):
    """There is no git, or one that is too old."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}. Install git 2.38 or newer; only plans with `sandbox: none` work without it."
        )


class SandboxError(AgentsError):
    """A sandbox could not be made, captured or removed."""

    exit_code = ExitCode.CONFLICT


class UnreadyProjectError(SandboxError, ConflictError):
    """The project is in the middle of something, such as a rebase, or has no commit yet."""


class StepFailedError(AgentsError):
    """A step of a plan failed, and the plan with it (reason ``step_failed``)."""


class ApplyConflictError(ConflictError):
    """An apply would conflict with the project; nothing was written (reason ``conflict``)."""

    def __init__(self, conflicts: Sequence[tuple[str, str]]) -> None:
        listing = "; ".join(f"{kind}: {_one_line(path)}" for kind, path in conflicts)
        super().__init__(f"The changes conflict with the project, nothing was written: {listing}")
        self.conflicts = tuple(conflicts)
        self.result = {
            "kind": "conflict",
            "conflicts": [{"kind": kind, "path": path} for kind, path in conflicts],
        }


class ProjectWriteError(AgentsError):
    """The project could not be written, as on a full disk; says how far it went and what to do."""

    def __init__(self, path: str, problem: str, *, written: int, total: int) -> None:
        if written:
            rest = (
                f"{written} of {total} files are written. When that is mended, run it again to go on; "
                "an apply can be undone by `agents plan revert`."
            )
        else:
            rest = "The project is as it was. When that is mended, run it again."
        super().__init__(f"{path} cannot be written: {problem}. {rest}")


class BadPayloadError(AgentsError):
    """A payload that cannot be read or that its phase does not take (reason ``bad_payload``)."""

    exit_code = ExitCode.USAGE


class MissingExtraError(AgentsError):
    """A part of agentsd needs a library that is installed on request only."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(f"{what} needs {library}, which is not installed: pip install 'agentsd[{extra}]'")


class OneOfManyError(AgentsError):
    """One of many jobs cannot be queued, so none was; ``position`` counts from 0, ``cause`` says why."""

    def __init__(self, position: int, cause: AgentsError) -> None:
        super().__init__(f"Nothing was queued: number {position + 1} is wrong. {cause}")
        self.position, self.cause, self.exit_code = position, cause, cause.exit_code


class BadLineError(AgentsError):
    """A line of a file of jobs is wrong, so none of them was queued; says which line and why."""

    def __init__(self, where: str, line: int, cause: AgentsError) -> None:
        super().__init__(f"{where}, line {line}: {cause} Nothing was queued.")
        self.line, self.exit_code = line, cause.exit_code


class JobCancelled(BaseException):
    """Raised inside a handler when its job is cancelled, timed out or shut down.

    Not an ``Exception``, so that ``except Exception`` in a handler does not swallow it.
    """

    result: object = None
    """A JSON value to keep as the job's result although the job ended early (a partial change set)."""
