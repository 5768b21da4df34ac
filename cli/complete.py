"""What a shell is offered for ids, phases and configuration keys: values with a description, from what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from agentsd.errors import AgentsError
from agentsd.model import ACTIVE_STATUSES, TERMINAL_STATUSES, AsyncJobStatus

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

KINDS = {
    "job": "job", "jobs": "job", "after": "job", "plan": "plan", "worker": "worker", "phase": "phase", "key": "key",
}  # fmt: skip
"""The kind of thing that a parameter of this name takes."""
_QUEUED, _ACTIVE = (AsyncJobStatus.QUEUED,), ACTIVE_STATUSES
FITTING: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("job", "cancel"): _ACTIVE,
    ("job", "wait"): _ACTIVE,
    ("job", "hold"): _QUEUED,
    ("job", "release"): _QUEUED,
    ("job", "set-priority"): _QUEUED,
    ("job", "retry"): tuple(TERMINAL_STATUSES),
    ("plan", "execute"): ("draft", "ready", "failed", "cancelled"),
    ("plan", "apply"): ("ready", "applying"),
    ("plan", "revert"): ("applied", "applying"),
    ("worker", "drain"): ("running",),
    ("worker", "stop"): ("running", "draining"),
    ("worker", "reload"): ("running", "draining"),
}
"""The states of what a command takes, by its kind and the command's name; without an entry, any."""


class Offered(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - generic only in newer clicks
    """Text that a shell completes from what there is of one kind."""

    name = "text"

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take it as it is: the command says what is wrong with it."""
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """What may stand here. Whatever goes wrong, a key press has no place for it."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for a shell

        try:
            return [CompletionItem(value, help=words) for value, words in self._offers(ctx, incomplete)]
        except (AgentsError, OSError):
            return []

    def _offers(self, ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
        if self._kind == "phase":
            return _phases(incomplete)
        if self._kind == "key":
            return _keys(incomplete)
        return _ids(self._kind, FITTING.get((self._kind, ctx.info_name or ""), ()), incomplete)


def offer_what_there_is(parameters: Iterable[click.Parameter]) -> None:
    """Give the parameters that name things of agentsd their completions."""
    for each in parameters:
        kind = KINDS.get(each.name or "")
        # `enqueue --key TEXT` is free text: of keys only arguments are those of the configuration.
        named = kind is not None and (kind != "key" or isinstance(each, click.Argument))
        if kind is not None and named and each.type is click.STRING:
            each.type = Offered(kind)


def _ids(kind: str, states: tuple[str, ...], incomplete: str) -> Iterator[tuple[str, str]]:
    from agentsd.cli.words import ago  # noqa: PLC0415 - only for a shell
    from agentsd.store.glance import glance  # noqa: PLC0415
    from agentsd.store.paths import find_state_dir  # noqa: PLC0415

    for each in glance(find_state_dir().database, kind, incomplete, states):
        yield each.ident, f"{each.words}, {ago(each.since)}"


def _phases(incomplete: str) -> Iterator[tuple[str, str]]:
    from agentsd.workers.phases import registered  # noqa: PLC0415 - only for a shell

    return ((name, target) for name, target in sorted(registered().items()) if name.startswith(incomplete))


def _keys(incomplete: str) -> Iterator[tuple[str, str]]:
    from agentsd.store.keys import KEYS  # noqa: PLC0415 - only for a shell

    return ((name, key.help) for name, key in KEYS.items() if name.startswith(incomplete))
