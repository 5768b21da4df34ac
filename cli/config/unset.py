"""``agents config unset``."""

from __future__ import annotations

import click

from agentsd.cli.config.shown import effect
from agentsd.cli.framework import current_output, define
from agentsd.errors import ExitCode
from agentsd.store.paths import config_path


@define("unset", examples="agents config unset async.max_workers")
@click.argument("key")
def command(key: str) -> ExitCode:
    """Take KEY out of the configuration file, so that its default holds again."""
    from agentsd.store.settings_file import unset_value  # noqa: PLC0415 - the writer of TOML is slow to load

    path = config_path()
    removed = unset_value(path, key)
    said = f"{key} was taken out of {path}.{effect(key)}" if removed else f"{key} is not set in {path}."
    return current_output().result({"key": key, "removed": removed, "path": str(path)}, lambda: [said])
