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
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="How to tell it [default: text on a terminal, JSON lines elsewhere].",
)
def command(max_workers: int | None, drain: bool, log_level: str, log_format: str | None) -> ExitCode:
    """Run jobs until stopped, each in a process of its own.

    Ctrl-C or SIGTERM lets the running jobs finish within async.shutdown_grace; once more asks them to stop;
    a third time kills them. What is interrupted so is queued again. SIGUSR1 reads the configuration again.
    Under systemd it says when it is ready and feeds the watchdog; `agents worker unit` prints a unit.
    """
    from agentsd.cli.worker.log import WorkerLog  # noqa: PLC0415 - loaded with the supervisor
    from agentsd.cli.worker.service import Service, both, take_notify_variables  # noqa: PLC0415
    from agentsd.store.paths import state_dir  # noqa: PLC0415
    from agentsd.store.settings import load_settings  # noqa: PLC0415
    from agentsd.supervisor.worker import AsyncWorker  # noqa: PLC0415

    if max_workers is not None:
        # As a variable, so that the option still holds when SIGUSR1 has the configuration read again.
        os.environ["AGENTS_ASYNC_MAX_WORKERS"] = str(max_workers)
    output = current_output()
    stream = sys.stdout if output.form == "jsonl" else sys.stderr
    as_json = output.form == "jsonl" or (log_format or ("text" if stream.isatty() else "json")) == "json"
    log = WorkerLog(stream.fileno(), log_level, as_json=as_json)
    worker = AsyncWorker(state_dir(), load_settings(), drain=drain)
    service = Service(worker, take_notify_variables())
    worker.listener = both(log, service)
    code = ExitCode(worker.run())
    if output.form == "json":
        output.result({"worker_id": worker.worker_id}, list, exit_code=code)
    return code
