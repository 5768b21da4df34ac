"""Where no control groups are to be had: it is said why, and the sweep does the work."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from agentsd.errors import ContainmentError
from agentsd.supervisor import containment
from agentsd.supervisor.notices import Notice
from agentsd.workers import cgroup, delegation, slot
from agentsd.workers.cgroup import NoGroupError


@pytest.mark.parametrize(
    ("mounts", "why"),
    [
        ("", "cgroup v2 is not mounted here"),
        ("36 35 0:30 / {0} rw - tmpfs none rw\n", "cgroup v2 is not mounted here"),
        ("36 35 0:30 /elsewhere/deep {0} rw - cgroup2 none rw\n", "is outside of what is mounted"),
    ],
)
def test_a_place_without_groups_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mounts: str, why: str
) -> None:
    """By what the kernel says is mounted."""
    listing = tmp_path / "mountinfo"
    listing.write_text(mounts.format(tmp_path))
    monkeypatch.setattr(cgroup, "_MOUNTS", str(listing))

    with pytest.raises(NoGroupError, match=why):
        cgroup.group_of()


def test_a_process_that_is_gone_is_in_no_group() -> None:
    """Its file in /proc is."""
    with pytest.raises(NoGroupError, match="cannot be read"):
        cgroup.group_of(2**22 + 1)


def test_a_folder_that_is_no_group_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kernel without cgroup.kill, and a place where nothing can be made."""
    monkeypatch.setattr(delegation, "usable_group", lambda: tmp_path)
    with pytest.raises(NoGroupError, match=r"no cgroup\.kill"):
        delegation.make_worker_group("W")
    assert not any(tmp_path.iterdir())

    (tmp_path / "file").touch()
    monkeypatch.setattr(delegation, "usable_group", lambda: tmp_path / "file")
    with pytest.raises(NoGroupError, match="no group can be made"):
        delegation.make_worker_group("W")


def test_without_groups_a_worker_does_without_unless_it_was_told_not_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`auto` says it, `cgroup` refuses to start, `subreaper` does not ask."""

    def refuse(_worker_id: str) -> Path:
        raise NoGroupError("there are none")

    monkeypatch.setattr(containment, "make_worker_group", refuse)
    told: list[Notice] = []

    assert containment.choose("auto", "W", told.append) is None
    assert told[0].facts == {"uses": "subreaper", "because": "there are none"}
    assert containment.choose("subreaper", "W", told.append) is None
    with pytest.raises(ContainmentError, match="there are none"):
        containment.choose("cgroup", "W", told.append)


def test_a_slot_without_a_group_has_the_sweep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only a lack of descriptors is an error: it passes, and the job has to wait."""
    problem = errno.ENOSPC

    def refuse(_path: str) -> object:
        raise OSError(problem, "no group")

    monkeypatch.setattr(slot, "Group", refuse)
    place = slot.Slot(0, str(tmp_path))
    place.prepare()
    assert place.group is None

    problem = errno.EMFILE
    with pytest.raises(OSError, match="no group"):
        place.prepare()
