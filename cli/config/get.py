"""``agents config get``."""

from __future__ import annotations

import click

from agentsd.cli.config.shown import as_json, as_text
from agentsd.cli.framework import current_output, define
from agentsd.errors import ExitCode
from agentsd.store.keys import find_key
from agentsd.store.settings import read_settings


@define("get", examples="agents config get async.max_workers")
@click.argument("key")
def command(key: str) -> ExitCode:
    """Show the value of KEY that is in force."""
    name = find_key(key).name
    values, problems = read_settings()
    for problem in problems:
        current_output().warn(str(problem))
    found = values[name]
    return current_output().result(
        {"key": name, "value": as_json(found.value), "source": found.source},
        lambda: [as_text(name, found.value)],
    )
