"""What killed processes left that is nobody's any more: it goes as soon as somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agentsd.errors import AgentsError
from agentsd.plans import claims, journal, lifecycle, sandbox, writes
from agentsd.plans.durable import TEMPORARY_PATTERN
from agentsd.plans.journal import Journal
from agentsd.plans.lock import repository_lock
from agentsd.plans.repository import Repository, open_repository


def in_state(state_root: Path) -> list[Path]:
    """Scratch folders, and files that were about to be put in place, below the state directory."""
    found = claims.abandoned(state_root / "scratch", "*")
    for folder in (state_root / "apply", *sandbox.folder(state_root).glob("*")):
        found += claims.abandoned(folder, TEMPORARY_PATTERN)
    return found


def remove(path: Path) -> None:
    """Remove what :func:`in_state` found. OSError."""
    if path.is_dir():
        sandbox.remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def tidy(repository: Repository, state_root: Path, plan_id: str, job_id: str) -> None:
    """Take away what nobody uses, before a job of the plan begins; under the repository's lock. Never fails.

    A plan has one active job, so a sandbox of it that is half made, and not this job's, is of one that was killed.
    """
    for path in in_state(state_root):
        with suppress(OSError):
            remove(path)
    for box in sandbox.recorded(state_root, plan_id):
        if box.job_id != job_id and not box.complete:
            with suppress(AgentsError):
                lifecycle.remove(repository, box)


def in_projects(state_root: Path) -> Iterator[tuple[Journal, int]]:
    """Each apply that was killed and left temporary files in its project, and how many.

    None of one that is going on: whoever writes holds the repository's lock.
    """
    for entry in journal.all_unfinished(state_root):
        with suppress(AgentsError), repository_lock(_repository(entry, state_root), state_root, wait=0):
            if found := writes.temporaries(Path(entry.project), entry.operations):
                yield entry, len(found)


def sweep_project(state_root: Path, plan_id: str) -> None:
    """Remove the temporary files of the plan's apply that was killed. AgentsError if somebody writes there now."""
    entry = journal.unfinished(state_root, plan_id)
    if entry is not None:
        with repository_lock(_repository(entry, state_root), state_root, wait=0):
            writes.sweep(Path(entry.project), entry.operations)


def _repository(entry: Journal, state_root: Path) -> Repository:
    return open_repository(Path(entry.project), state_root)
