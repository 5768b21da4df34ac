"""``agents config path``."""

from __future__ import annotations

from agentsd.cli.framework import current_output, define
from agentsd.errors import ExitCode
from agentsd.store.paths import config_path


@define("path", examples='"$EDITOR" "$(agents config path)"')
def command() -> ExitCode:
    """Show where the configuration file is, whether or not there is one."""
    path = config_path()
    return current_output().result({"path": str(path), "exists": path.exists()}, lambda: [str(path)])
