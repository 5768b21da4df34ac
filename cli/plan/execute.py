"""``agents plan execute``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.plan.running import run_phase
from agentsd.errors import ExitCode
from agentsd.model import Phase


@define("execute", examples="agents plan execute 01JABCDE")
@click.argument("plan")
def command(plan: str) -> ExitCode:
    """Run the steps of PLAN in its sandbox and capture what they change.

    With async.enabled a worker does it, and this prints the job's id. Without, it happens here: Ctrl-C
    cancels, and the exit code is that of the job (0 succeeded, 130 cancelled, 124 timed out, 1 failed).
    """
    return run_phase(plan, Phase.EXECUTE)
