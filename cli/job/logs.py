"""``agents job logs``: the output of a job and of its steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import Output, write_bytes
from agentsd.cli.session import find_job, session
from agentsd.errors import ExitCode
from agentsd.store import logs

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


@define(
    "logs",
    examples="""agents job logs 01JABCDE
    agents job logs -f 01JABCDE
    agents job logs 01JABCDE --step test --tail 20""",
)
@click.argument("job")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--step", help="Only the output of this step: its number, its name or its file.")
@click.option(
    "--tail", type=click.IntRange(min=0), metavar="N", help="Begin with the last N lines of each file."
)
def command(job: str, follow: bool, step: str | None, tail: int | None) -> ExitCode:
    """Show what JOB and its steps wrote, as they wrote it."""
    with session() as client:
        return show_logs(client, find_job(client, job), follow=follow, step=step, tail=tail)


def show_logs(client: Client, job_id: str, *, follow: bool, step: str | None, tail: int | None) -> ExitCode:
    """Show the logs of one job. Raises InvalidInputError for a step that there is not."""
    output = current_output()
    client.get(job_id)
    directory = client.state.job_logs(job_id)
    if follow and output.form != "json":
        _follow(client, job_id, output, step=step, tail=tail)
        return ExitCode.OK
    if follow:
        client.wait(job_id)
    chosen = logs.log_files(directory) if step is None else [logs.step_log(directory, step)]
    contents = [(path, _content(path, tail)) for path in chosen]
    if output.is_table:
        show = _printer(several=len([data for _, data in contents if data]) > 1)
        for path, data in contents:
            show(path, data)
        if not any(data for _, data in contents):
            output.info("There is no output.")
        return ExitCode.OK
    files = [{"file": path.name, "text": data.decode(errors="replace")} for path, data in contents]
    return output.result({"job_id": job_id, "files": files}, list, items=files)


def _content(path: Path, tail: int | None) -> bytes:
    if tail is not None:
        return logs.tail_lines(path, tail)
    return logs.tail_bytes(path, path.stat().st_size) if path.exists() else b""


def _printer(*, several: bool) -> Callable[[Path, bytes], None]:
    """Shows output as it is; with several files, each change of file is announced."""
    last: list[Path] = []

    def show(path: Path, data: bytes) -> None:
        if data and several and last != [path]:
            write_bytes(f"==> {path.stem} <==\n".encode())
            last[:] = [path]
        write_bytes(data)

    return show


def _follow(client: Client, job_id: str, output: Output, *, step: str | None, tail: int | None) -> None:
    directory = client.state.job_logs(job_id)
    only = None if step is None else logs.step_log(directory, step).name
    show = _printer(several=only is None)

    def skip(path: Path) -> int:
        return 0 if tail is None else path.stat().st_size - len(logs.tail_lines(path, tail))

    def has_ended() -> bool:
        return client.get(job_id).status.is_terminal

    for path, data in logs.follow(directory, has_ended, only=only, skip=skip):
        if output.is_table:
            show(path, data)
        else:
            output.item({"file": path.name, "text": data.decode(errors="replace")})
