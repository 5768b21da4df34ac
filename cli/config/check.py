"""``agents config check``."""

from __future__ import annotations

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import paint
from agentsd.errors import ExitCode
from agentsd.store.paths import config_path
from agentsd.store.settings import read_settings


@define("check", examples="agents config check\nagents config check --format json")
def command() -> ExitCode:
    """Check the configuration file and the environment; says everything that is wrong at once.

    Exits with 2 if anything is.
    """
    path = config_path()
    _, problems = read_settings()
    said = [str(problem) for problem in problems]
    source = str(path) if path.exists() else f"no file at {path}"
    lines = [f"{paint('wrong', 'red')}  {each}" for each in said] or [
        f"{paint('ok', 'green')}  {source}, environment"
    ]
    return current_output().result(
        {"path": str(path), "exists": path.exists(), "problems": said},
        lambda: lines,
        exit_code=ExitCode.USAGE if problems else ExitCode.OK,
    )
