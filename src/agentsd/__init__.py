"""Run agents' plans in the background, without losing one and without leaving one behind."""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which not every process needs to load
if TYPE_CHECKING:
    from agentsd.model import AsyncJob as AsyncJob
    from agentsd.model import AsyncJobStatus as AsyncJobStatus
    from agentsd.model import JobEvent as JobEvent
    from agentsd.model import Reason as Reason
    from agentsd.supervisor.cancelling import CancelOutcome as CancelOutcome
    from agentsd.supervisor.client import Client as Client
    from agentsd.supervisor.client import Wishes as Wishes
    from agentsd.supervisor.client import connect as connect
    from agentsd.workers.context import JobContext as JobContext
    from agentsd.workers.context import JobInfo as JobInfo
    from agentsd.workers.token import CancellationToken as CancellationToken
    from agentsd.workers.tools import ToolResult as ToolResult

__version__ = "0.1.0"

_HOMES = {
    "AsyncJob": "agentsd.model",
    "AsyncJobStatus": "agentsd.model",
    "CancelOutcome": "agentsd.supervisor.cancelling",
    "CancellationToken": "agentsd.workers.token",
    "Client": "agentsd.supervisor.client",
    "JobContext": "agentsd.workers.context",
    "JobEvent": "agentsd.model",
    "JobInfo": "agentsd.workers.context",
    "Reason": "agentsd.model",
    "ToolResult": "agentsd.workers.tools",
    "Wishes": "agentsd.supervisor.client",
    "connect": "agentsd.supervisor.client",
}


if not TYPE_CHECKING:  # a type checker that sees it takes any name for one of ours, mistyped ones too

    def __getattr__(name: str) -> object:
        """Load a public name on first use, so that importing agentsd loads neither peewee nor psutil."""
        if name not in _HOMES:
            raise AttributeError(f"module 'agentsd' has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415

        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, also those that were not loaded yet."""
    return sorted({*globals(), *_HOMES})
