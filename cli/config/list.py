"""``agents config list``."""

from __future__ import annotations

from agentsd.cli.config.shown import as_json, as_text
from agentsd.cli.framework import current_output, define
from agentsd.cli.output import table
from agentsd.errors import ExitCode
from agentsd.store.keys import KEYS
from agentsd.store.settings import read_settings


@define("list", examples="agents config list\nagents config list --format json")
def command() -> ExitCode:
    """List every key with the value in force and where that comes from.

    An environment variable wins over the file, which wins over the default.
    """
    values, problems = read_settings()
    output = current_output()
    for problem in problems:
        output.warn(str(problem))
    items = [
        {
            "key": name,
            "value": as_json(value.value),
            "source": value.source,
            "default": as_json(KEYS[name].default),
            "variable": KEYS[name].variable,
            "help": KEYS[name].help,
        }
        for name, value in values.items()
    ]
    rows = [
        (name, as_text(name, value.value), value.source, KEYS[name].help) for name, value in values.items()
    ]
    return output.result(
        {"keys": items},
        lambda: table(("KEY", "VALUE", "SOURCE", "MEANING"), rows, give=("MEANING", "SOURCE", "VALUE")),
        items=items,
    )
