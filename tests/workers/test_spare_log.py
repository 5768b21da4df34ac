"""The log folder of a silent job is handed on, and never so that somebody would read another job's log in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agentsd.workers.spare_log import SpareLog, open_log


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The log folder of a job that said nothing, and is over."""
    made = tmp_path / "job"
    os.close(open_log(str(made), ""))
    return made


@pytest.fixture
def spare(tmp_path: Path) -> SpareLog:
    """A slot's place for one."""
    return SpareLog(str(tmp_path / "spare"))


def test_the_folder_of_a_silent_job_is_the_next_ones(folder: Path, spare: SpareLog, tmp_path: Path) -> None:
    """The very same file, and nothing is left where it was."""
    inode = (folder / "job.log").stat().st_ino
    assert spare.offer() == ""
    spare.keep(str(folder))
    assert not folder.exists()
    offered = spare.offer()
    log = open_log(str(tmp_path / "next"), offered)
    os.write(log, b"hello")
    os.close(log)

    assert (tmp_path / "next" / "job.log").read_text() == "hello"
    assert (tmp_path / "next" / "job.log").stat().st_ino == inode
    assert spare.offer() == ""


def _write(folder: Path) -> None:
    (folder / "job.log").write_text("x")


def _add(folder: Path) -> None:
    (folder / "01-step.log").touch()


def _link(folder: Path) -> None:
    os.link(folder / "job.log", folder.parent / "another name")


def _open_file_up(folder: Path) -> None:
    (folder / "job.log").chmod(0o644)


def _open_folder_up(folder: Path) -> None:
    folder.chmod(0o755)


def _lead_elsewhere(folder: Path) -> None:
    (folder / "job.log").rename(folder.parent / "elsewhere")
    (folder / "job.log").symlink_to(folder.parent / "elsewhere")


def _lose(folder: Path) -> None:
    (folder / "job.log").unlink()


TOUCHES = [_write, _add, _link, _open_file_up, _open_folder_up, _lead_elsewhere, _lose]


@pytest.mark.parametrize("touch", TOUCHES)
def test_what_was_touched_stays_where_it_is(
    folder: Path, spare: SpareLog, touch: Callable[[Path], None]
) -> None:
    """It says something of its job, or belongs to somebody else, too."""
    touch(folder)
    spare.keep(str(folder))

    assert folder.exists()
    assert spare.offer() == ""


@pytest.mark.parametrize("touch", TOUCHES)
def test_what_was_touched_meanwhile_is_given_to_nobody(
    folder: Path, spare: SpareLog, touch: Callable[[Path], None]
) -> None:
    """While no job had it."""
    spare.keep(str(folder))
    touch(Path(spare.path))

    assert spare.offer() == ""


@pytest.mark.parametrize("mode", ["rb", "ab"])
def test_what_somebody_has_open_is_not_handed_on(folder: Path, spare: SpareLog, mode: str) -> None:
    """Who follows a log would see what the next job says."""
    with (folder / "job.log").open(mode):
        spare.keep(str(folder))
        assert folder.exists()
    spare.keep(str(folder))
    assert spare.offer() != ""
    with Path(spare.path, "job.log").open(mode):  # had looked it up before it was moved
        assert spare.offer() == ""


def test_a_slot_keeps_one(folder: Path, spare: SpareLog, tmp_path: Path) -> None:
    """The next one that is over stays where it is."""
    spare.keep(str(folder))
    os.close(open_log(str(tmp_path / "second"), ""))
    spare.keep(str(tmp_path / "second"))

    assert (tmp_path / "second" / "job.log").exists()
    assert spare.offer() == spare.path
    spare.remove()
    assert not Path(spare.path).exists()


def test_a_job_has_a_log_whatever_becomes_of_what_was_offered(
    folder: Path, spare: SpareLog, tmp_path: Path
) -> None:
    """Somebody has removed that; or an earlier process of the job has made a folder, and written."""
    os.close(open_log(str(tmp_path / "next"), str(tmp_path / "gone")))
    assert (tmp_path / "next" / "job.log").exists()
    spare.keep(str(folder))
    (tmp_path / "next" / "job.log").write_text("before; ")
    log = open_log(str(tmp_path / "next"), spare.offer())
    os.write(log, b"after")
    os.close(log)

    assert (tmp_path / "next" / "job.log").read_text() == "before; after"
    assert spare.offer() == spare.path


def test_without_a_place_nothing_is_kept(folder: Path, tmp_path: Path) -> None:
    """And a place that is gone is none."""
    SpareLog("").keep(str(folder))
    SpareLog(str(tmp_path / "no" / "such" / "place")).keep(str(folder))

    assert (folder / "job.log").exists()


def test_a_disk_that_is_full_is_said(tmp_path: Path) -> None:
    """Or whatever else keeps a job from having a log."""
    with pytest.raises(FileNotFoundError):
        open_log(str(tmp_path / "no" / "job"), "")
