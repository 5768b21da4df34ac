"""``agents worker start``: a supervisor in the foreground."""

from __future__ import annotations

import os
import sys

import click

from agentsd.cli.framework import current_output, define
from agentsd.errors import ExitCode


@define(
    "start",
    examples="""agents worker start
    agents worker start --max-workers 8
    agents worker start --drain --log-level warning""",
)
@click.option(
    "--max-workers",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Jobs at once [default: async.max_workers].",
)
@click.option("--drain", is_flag=True, help="End when nothing is queued and nothing runs.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    help="What to tell on stderr [default: info].",
)
def command(max_workers: int | None, drain: bool, log_level: str) -> ExitCode:
    """Run jobs until stopped, each in a process of its own.

    Ctrl-C or SIGTERM lets the running jobs finish within async.shutdown_grace; once more asks them to stop;
    a third time kills them. What is interrupted so is queued again. SIGUSR1 reads the configuration again.
    """
    from agentsd.cli.worker.log import WorkerLog  # noqa: PLC0415 - loaded with the supervisor
    from agentsd.store.paths import state_dir  # noqa: PLC0415
    from agentsd.store.settings import load_settings  # noqa: PLC0415
    from agentsd.supervisor.worker import AsyncWorker  # noqa: PLC0415

    if max_workers is not None:
        # As a variable, so that the option still holds when SIGUSR1 has the configuration read again.
        os.environ["AGENTS_ASYNC_MAX_WORKERS"] = str(max_workers)
    output = current_output()
    as_json = output.form == "jsonl"
    log = WorkerLog((sys.stdout if as_json else sys.stderr).fileno(), log_level, as_json=as_json)
    worker = AsyncWorker(state_dir(), load_settings(), drain=drain, listener=log)
    code = ExitCode(worker.run())
    if output.form == "json":
        output.result({"worker_id": worker.worker_id}, list, exit_code=code)
    return code
