"""The files of an open store, moved, deleted or replaced by others: noticed before anything is acknowledged."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.home import Home
from support.patience import eventually

from agentsd.store import identity, jobs
from agentsd.store.database import Database, open_store
from agentsd.store.identity import OpenFiles
from agentsd.store.jobs import NewJob

FILES = ("agents.db", "agents.db-wal", "agents.db-shm")


def delete(path: Path) -> None:
    """As somebody who tidies up."""
    path.unlink()


def move(path: Path) -> None:
    """As somebody who makes a backup."""
    path.rename(path.with_suffix(".moved"))


def replace(path: Path) -> None:
    """As somebody who plays a backup back: the same content and times, another file."""
    shutil.copy2(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def come_to_rest(files: OpenFiles) -> None:
    """Look until the folder's time is so old that the files need not be looked at."""
    eventually(lambda: files.gone() is None and files.at_rest, 20, "the folder is at rest")


def never_at_rest(files: OpenFiles) -> bool:
    """Whether they are looked at still when their folder's time is old."""
    changed = Path(files.folder).stat().st_ctime_ns
    eventually(lambda: time.time_ns() - changed > 2 * identity.AT_REST, 20, "the folder's time is old")
    return files.gone() is None and not files.at_rest


@pytest.mark.parametrize("which", FILES)
@pytest.mark.parametrize("do", [delete, move, replace])
@pytest.mark.parametrize("rested", [False, True])
def test_every_file_is_missed(
    home: Home, db: Database, which: str, do: Callable[[Path], None], rested: bool
) -> None:
    """At once, and after the files were not looked at any more, as nothing happened in their folder."""
    files = OpenFiles(home.state.database)
    assert files.gone() is None
    if rested:
        come_to_rest(files)

    do(home.state.root / which)

    assert str(home.state.root / which) == files.gone()
    assert str(home.state.root / which) == files.gone(), "it says so again"
    assert db.gone() == home.state.root / which
    assert not db.is_still_there()


def test_another_folder_is_noticed(home: Home, db: Database) -> None:
    """The state directory itself was moved, and another one with the same names is in its place."""
    files = OpenFiles(home.state.database)
    come_to_rest(files)

    root, path = home.state.root, str(home.state.database)
    root.rename(root.with_suffix(".moved"))
    assert path == files.gone(), "nothing is there"
    shutil.copytree(root.with_suffix(".moved"), root)
    assert path == files.gone()
    assert not db.is_still_there()


def test_a_linked_database_is_looked_at_every_time(home: Home) -> None:
    """Its folder does not tell what happens to the file that the link leads to."""
    open_store(home.state).close()
    elsewhere = home.root / "elsewhere.db"
    home.state.database.rename(elsewhere)
    home.state.database.symlink_to(elsewhere)
    files = OpenFiles(home.state.database)

    assert never_at_rest(files)
    replace(elsewhere)

    assert str(home.state.database) == files.gone()


def test_a_folder_that_has_just_changed_tells_nothing(home: Home, db: Database) -> None:
    """What happens next may happen in the same tick of the clock."""
    files = OpenFiles(home.state.database)
    come_to_rest(files)
    (home.state.root / "another").touch()

    assert files.gone() is None
    assert not files.at_rest
    come_to_rest(files)


def test_a_file_system_that_counts_seconds_tells_nothing(
    home: Home, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two changes within one have the same time."""
    monkeypatch.setattr(identity, "_SECOND", 1)  # every time is a whole one
    assert never_at_rest(OpenFiles(home.state.database))


def test_a_commit_looks_at_no_file_that_it_writes(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a look makes the next write to it dear (see OpenFiles)."""
    come_to_rest(db.files)
    seen: list[str] = []

    def note(path: str) -> os.stat_result:
        seen.append(path)
        return os.stat(path)  # noqa: PTH116 - as it is called there

    monkeypatch.setattr(identity, "os", SimpleNamespace(stat=note))
    jobs.enqueue(db, NewJob(phase="noop"))

    assert [str(db.state.root)] == seen
