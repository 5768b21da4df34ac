"""What a handler raised, as data for its supervisor and as words in the job's log."""

from __future__ import annotations

import contextlib
import sys

from agentsd.errors import AgentsError, BadPayloadError, ConflictError, StepFailedError
from agentsd.workers.json_bytes import dumps

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from agentsd.model import JSON

# Values of agentsd.model.Reason, which would be much to load.
_REASONS = {StepFailedError: "step_failed", ConflictError: "conflict", BadPayloadError: "bad_payload"}
_RAISED = "handler_error"


def describe(error: BaseException) -> dict[str, JSON]:
    """An exception as data; one that cannot even be printed is told by its type."""
    kind = type(error).__name__
    try:
        text = str(error) or kind
        if not isinstance(error, AgentsError):
            text = kind if text == kind else f"{kind}: {text}"
    except Exception:  # noqa: BLE001 - a broken __str__
        text = kind
    text = text.encode(errors="backslashreplace").decode()  # a lone surrogate, of a file name say, is no JSON
    reason = next((reason for cls, reason in _REASONS.items() if isinstance(error, cls)), _RAISED)
    return {"error": text, "reason": reason, "result": kept_result(error)}


def kept_result(error: BaseException) -> JSON:
    """What a failing handler leaves behind all the same (``error.result``), if it is JSON."""
    result = getattr(error, "result", None)
    try:
        dumps(result)
    except TypeError:
        return None
    return result


def print_traceback(error: BaseException) -> None:
    """The handler's own frames, into the job's log; ours, the first, would only be in the way.

    What is raised on purpose words itself: a step that failed is no mistake in anybody's Python.
    """
    with contextlib.suppress(Exception):  # the log is closed, say
        if isinstance(error, AgentsError):
            sys.stderr.write(f"{error}\n")
            return
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        # The interpreter's own: it needs no module, which a handler may have left no descriptor for.
        sys.__excepthook__(type(error), error, error.__traceback__)
