"""``agents job logs``: the output of a job and of its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentsd.cli.framework import Since, current_output, define
from agentsd.cli.job.attendance import Attendance
from agentsd.cli.output import Output, write_bytes
from agentsd.cli.progress import steps_of
from agentsd.cli.session import find_job, session
from agentsd.cli.shapes import parsed, progress_of
from agentsd.errors import ExitCode
from agentsd.model import JSON, TIME_FORMAT, AsyncJob, Phase
from agentsd.store import logs

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


@define(
    "logs",
    examples="""agents job logs 01JABCDE
    agents job logs -f 01JABCDE 01JBCDEF
    agents job logs 01JABCDE --step test --tail 20""",
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option("-f", "--follow", is_flag=True, help="Go on until the jobs have ended.")
@click.option("--step", help="Only the output of this step: its number, id, name or file.")
@click.option(
    "--tail", type=click.IntRange(min=0), metavar="N", help="Begin with the last N lines of each file."
)
@click.option("--since", type=Since(), help="Only files written to since then: a time, or how long ago.")
def command(
    jobs: tuple[str, ...], follow: bool, step: str | None, tail: int | None, since: str | None
) -> ExitCode:
    """Show what every JOB and its steps wrote, as they wrote it.

    Of several jobs each line begins with the end of the job's id and the step. The output is kept as it came,
    without times, so --since chooses whole files: each step has its own.
    """
    with session() as client:
        ids = [find_job(client, ident) for ident in jobs]
        if len(ids) == 1:
            return show_logs(client, ids[0], follow=follow, step=step, tail=tail, since=since)
        from agentsd.cli.job.merged import show_merged  # noqa: PLC0415 - only for several

        choose = chooser(client, step, since)
        return show_merged(client, ids, follow=follow, choose=choose, new_files=step is None, tail=tail)


def step_file(client: Client, job_id: str, step: str) -> Path:
    """The log of a step, which is named by its number, id, name or file; also of one that has not begun.

    Raises InvalidInputError if there is no such step.
    """
    job, directory = client.get(job_id), client.state.job_logs(job_id)
    for number, known in enumerate(_steps(client, job), start=1):
        if step in {str(number), known.get("id"), known.get("name")}:
            return directory / f"{number:02d}-step.log"
    return logs.step_log(directory, step)


def _steps(client: Client, job: AsyncJob) -> list[Mapping[str, JSON]]:
    """The steps of a job: as it told them, or as its plan has them while it waits."""
    from agentsd.store import plans  # noqa: PLC0415 - loaded with the client

    told = steps_of(progress_of(job))
    if told or job.phase != Phase.EXECUTE:
        return told
    return steps_of(parsed(plans.get(client.db, job.plan_id).frozen_json))


def chooser(client: Client, step: str | None, since: str | None) -> Callable[[Path], list[Path]]:
    """What finds the files of a job that are wanted, in its directory. Raises InvalidInputError for no such step."""

    def choose(directory: Path) -> list[Path]:
        if step is None:
            found = logs.log_files(directory)
        else:
            found = [path for path in [step_file(client, directory.name, step)] if path.exists()]
        return [path for path in found if since is None or _written(path) >= since]

    return choose


def _written(path: Path) -> str:
    """When a file was last written to, as the store writes times."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime(TIME_FORMAT)


def show_logs(
    client: Client,
    job_id: str,
    *,
    follow: bool,
    step: str | None,
    tail: int | None,
    since: str | None = None,
) -> ExitCode:
    """Show the logs of one job. Raises InvalidInputError for a step that there is not."""
    output = current_output()
    client.get(job_id)
    directory = client.state.job_logs(job_id)
    if follow and output.form != "json":
        _follow(client, job_id, output, step=step, tail=tail, since=since)
        return ExitCode.OK
    if follow:
        client.wait(job_id)
    contents = [(path, content(path, tail)) for path in chooser(client, step, since)(directory)]
    if output.is_table:
        show = _printer(several=len([data for _, data in contents if data]) > 1)
        for path, data in contents:
            show(path, data)
        if not any(data for _, data in contents):
            output.info("There is no output.")
        return ExitCode.OK
    files = [{"file": path.name, "text": data.decode(errors="replace")} for path, data in contents]
    return output.result({"job_id": job_id, "files": files}, list, items=files)


def content(path: Path, tail: int | None) -> bytes:
    """A file, or its last lines; nothing if it is gone."""
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


def skipper(tail: int | None, since: str | None) -> Callable[[Path], int]:
    """What says at which byte to begin a file that is there when following begins."""

    def skip(path: Path) -> int:
        if since is not None and _written(path) < since:
            return path.stat().st_size
        return 0 if tail is None else path.stat().st_size - len(logs.tail_lines(path, tail))

    return skip


def _follow(
    client: Client, job_id: str, output: Output, *, step: str | None, tail: int | None, since: str | None
) -> None:
    directory = client.state.job_logs(job_id)
    only = None if step is None else step_file(client, job_id, step).name
    show = _printer(several=only is None)

    attendance = Attendance(client, output.warn)

    def has_ended() -> bool:
        job = client.get(job_id)
        attendance.look(job)
        return job.status.is_terminal

    for path, data in logs.follow(directory, has_ended, only=only, skip=skipper(tail, since)):
        if output.is_table:
            show(path, data)
        else:
            output.item({"file": path.name, "text": data.decode(errors="replace")})
