"""The output of several jobs at once: line by line, each with the name of its job and step before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agentsd.cli.framework import current_output
from agentsd.cli.job.attendance import Attendance
from agentsd.cli.job.logs import content, skipper
from agentsd.cli.output import paint, write_bytes
from agentsd.errors import ExitCode
from agentsd.store import logs

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

SHORT = 6
"""Characters of an id that are shown: its end, which is accepted as an id."""
COLORS = ("cyan", "yellow", "green", "magenta", "blue")


class Merger:
    """Cuts what several files give into whole lines, and writes each with its prefix."""

    def __init__(self, ids: Iterable[str], steps: Iterable[str] = ()) -> None:
        """*steps*: names that are known already, so that the lines stand in one column from the beginning."""
        self._colors = {job_id: COLORS[number % len(COLORS)] for number, job_id in enumerate(ids)}
        self._rests: dict[tuple[str, Path], bytes] = {}
        self._space = max(map(len, (Path(logs.JOB_LOG).stem, *steps)))

    def take(self, job_id: str, path: Path, data: bytes) -> None:
        """Write the whole lines; what is left of the last one waits for its end."""
        *whole, rest = (self._rests.pop((job_id, path), b"") + data).split(b"\n")
        if rest:
            self._rests[job_id, path] = rest
        for line in whole:
            self._write(job_id, path, line)

    def flush(self) -> None:
        """Write what has no line break at its end."""
        for (job_id, path), rest in self._rests.items():
            self._write(job_id, path, rest)
        self._rests.clear()

    def _write(self, job_id: str, path: Path, line: bytes) -> None:
        self._space = max(self._space, len(path.stem))
        prefix = paint(f"{job_id[-SHORT:]} {path.stem.ljust(self._space)} |", self._colors[job_id])
        write_bytes(prefix.encode() + b" " + line + b"\n")


def show_merged(
    client: Client,
    ids: list[str],
    *,
    follow: bool,
    choose: Callable[[Path], list[Path]],
    new_files: bool,
    tail: int | None,
) -> ExitCode:
    """Show the logs of several jobs, one after the other, or as they come; with *new_files* those, too, that come later.

    Raises InvalidInputError, NotFoundError.
    """
    output = current_output()
    directories = {job_id: client.state.job_logs(job_id) for job_id in ids}
    if follow and output.form == "json":
        for job_id in ids:
            client.wait(job_id)
    pieces = (
        _followed(client, directories, choose, tail, new_files=new_files)
        if follow and output.form != "json"
        else (
            (job_id, path, content(path, tail))
            for job_id, place in directories.items()
            for path in choose(place)
        )
    )
    if output.is_table:
        steps = (path.stem for place in directories.values() for path in choose(place))
        merger = Merger(ids, steps)
        for piece in pieces:
            merger.take(*piece)
            if not follow:
                merger.flush()
        merger.flush()
        return ExitCode.OK
    items = (
        {"job_id": job_id, "file": path.name, "text": data.decode(errors="replace")}
        for job_id, path, data in pieces
    )
    if output.form == "jsonl":
        return output.result(None, list, items=items)
    found = list(items)
    by_job = [
        {"job_id": job_id, "files": [item for item in found if item["job_id"] == job_id]} for job_id in ids
    ]
    return output.result({"jobs": by_job}, list)


def _followed(
    client: Client,
    directories: dict[str, Path],
    choose: Callable[[Path], list[Path]],
    tail: int | None,
    *,
    new_files: bool,
) -> Iterator[tuple[str, Path, bytes]]:
    """What comes, of the files that are wanted or that are new."""
    there = {path for place in directories.values() for path in logs.log_files(place)}
    wanted = {path for place in directories.values() for path in choose(place)}

    attendance = Attendance(client, current_output().warn)

    def has_ended(job_id: str) -> bool:
        job = client.get(job_id)
        attendance.look(job)
        return job.status.is_terminal

    for job_id, path, data in logs.follow_all(directories, has_ended, skip=skipper(tail, None)):
        if path in wanted or (new_files and path not in there):
            yield job_id, path, data
