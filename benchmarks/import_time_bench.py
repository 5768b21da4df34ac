"""What loading the parts costs, each in an interpreter of its own."""

from __future__ import annotations


def timeraw_import_api() -> str:
    """What ``import agentsd`` and a first ``connect`` load."""
    return "import agentsd; agentsd.connect"


def timeraw_import_command_line() -> str:
    """What every command loads."""
    return "import agentsd.cli.main"


def timeraw_import_spawner() -> str:
    """What every worker's spawner loads: all of it is copied by every fork."""
    return "import agentsd.workers.program"


def timeraw_import_supervisor() -> str:
    """What ``agents worker start`` loads."""
    return "import agentsd.supervisor.worker"


def timeraw_the_limit() -> str:
    """The packages that a command of this kind is compared with."""
    return "import click, peewee"
