"""The configuration, the disk, git, and what the kernel offers."""

from __future__ import annotations

import shutil
from pathlib import Path

from agentsd.cli.checks.finding import ERROR, OK, WARNING, Finding
from agentsd.errors import AgentsError
from agentsd.store.keys import KEYS
from agentsd.store.paths import config_path
from agentsd.store.settings import Settings, read_settings
from agentsd.store.units import format_bytes

LITTLE, TOO_LITTLE = 2**30, 100 * 2**20
"""Bytes free on the disk below which there is a warning, or an error."""


def check_config() -> tuple[Settings, list[Finding]]:
    """The settings, with defaults where the configuration is wrong, and what is wrong."""
    values, problems = read_settings()
    settings = Settings(**{KEYS[name].field: value.value for name, value in values.items()})
    if problems:
        return settings, [Finding("config", ERROR, str(problem)) for problem in problems]
    path = config_path()
    where = str(path) if path.exists() else f"no file at {path}, so defaults and environment"
    return settings, [Finding("config", OK, where)]


def check_disk(root: Path) -> Finding:
    """How much room there is for the state directory."""
    free = shutil.disk_usage(root).free
    level = ERROR if free < TOO_LITTLE else WARNING if free < LITTLE else OK
    return Finding("disk", level, f"{format_bytes(free)} free at {root}")


def check_git() -> Finding:
    """Whether there is a git that sandboxes can use; plans without sandbox need none."""
    from agentsd.plans.git import require_version, version  # noqa: PLC0415 - knows git

    try:
        require_version()
    except AgentsError as error:
        return Finding("git", WARNING, str(error))
    return Finding("git", OK, "git " + ".".join(map(str, version())))
