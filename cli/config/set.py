"""``agents config set``."""

from __future__ import annotations

import os

import click

from agentsd.cli.config.shown import as_json, as_text, effect
from agentsd.cli.framework import current_output, define
from agentsd.errors import ExitCode
from agentsd.store.keys import find_key
from agentsd.store.paths import config_path


@define(
    "set",
    examples="""agents config set async.enabled true
    agents config set async.cancel_grace "30 s"
    agents config set async.preload json,my.phases""",
)
@click.argument("key")
@click.argument("value")
def command(key: str, value: str) -> ExitCode:
    """Set KEY to VALUE in the configuration file; its comments are kept.

    Says whether a worker that runs has to read it again, or to be started again.
    """
    from agentsd.store.settings_file import set_value  # noqa: PLC0415 - the writer of TOML is slow to load

    path, output = config_path(), current_output()
    written = set_value(path, key, value)
    output.info(f"Set in {path}.{effect(key)}")
    variable = find_key(key).variable
    if variable in os.environ:
        output.warn(f"{variable} is set in the environment and wins over the file.")
    return output.result(
        {"key": key, "value": as_json(written), "path": str(path)},
        lambda: [f"{key} = {as_text(key, written)}"],
    )
