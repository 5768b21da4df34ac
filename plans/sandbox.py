"""A sandbox: where one execute job works, and the record beside it that says so.

The record is written before anything is made, so whatever a killed job leaves behind is known to be ours.
It lies beside the sandbox and not in it: a file inside would end up in the change set.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from agentsd.clock import utc_now
from agentsd.errors import SandboxError
from agentsd.plans.durable import write_durably
from agentsd.plans.repository import Repository

_SUFFIX = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodule:
    """A submodule of the project and the *commit* that the base has there.

    *git_dir* is that of the project's own copy, from which the sandbox was given its content; empty if it was not.
    *left_behind* says what of the user's is not in the sandbox.
    """

    path: str
    commit: str
    git_dir: str = ""
    left_behind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One sandbox. *complete* turns true once it holds everything; before that it is never captured."""

    plan_id: str
    job_id: str
    strategy: str
    project: str
    base: str
    root: str
    included: tuple[str, ...] = ()
    submodules: tuple[Submodule, ...] = ()
    complete: bool = False
    created_at: str = ""

    @property
    def path(self) -> Path:
        """The folder that the steps see as the project."""
        return Path(self.root)

    @property
    def is_there(self) -> bool:
        """Whether the folder exists. A link in its place is none of ours, wherever it leads."""
        return self.path.is_dir() and not self.path.is_symlink()

    @property
    def record(self) -> Path:
        """The file that describes this sandbox."""
        return self.path.with_name(self.path.name + _SUFFIX)

    @property
    def index(self) -> Path:
        """What the sandbox looked like when it was made: the index that it is captured with.

        It lies beside the sandbox, so whatever the steps do with git, no changed file is overlooked.
        """
        return self.path.with_name(self.path.name + ".index")

    def index_of(self, submodule: str) -> Path:
        """The same of the submodule at that path."""
        number = hashlib.sha256(os.fsencode(submodule)).hexdigest()[:16]
        return self.index.with_name(f"{self.index.name}-{number}")

    def save(self) -> None:
        """Write the record, durably."""
        self.record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(self.record, json.dumps(asdict(self)).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRequest:
    """What a job asks for. *include* None means the project's own list; *base* is ``worktree`` or ``head``."""

    plan_id: str
    job_id: str
    strategy: str
    include: tuple[str, ...] | None = None
    base: str = "worktree"


def planned(repository: Repository, state_root: Path, request: SandboxRequest, base: str) -> Sandbox:
    """The sandbox that a job shall have, from the commit *base*. Nothing is made yet."""
    root = folder(state_root) / repository.ident / f"{request.plan_id}-{request.job_id}"
    if root.exists():
        raise SandboxError(f"{root} exists already.")
    return Sandbox(
        plan_id=request.plan_id,
        job_id=request.job_id,
        strategy=request.strategy,
        project=str(repository.work_tree),
        base=base,
        root=str(root),
        created_at=utc_now(),
    )


def check_out(repository: Repository, target: Path, commit: str, index: Path) -> None:
    """Check *commit* out into the empty folder *target*, with the project's settings. GitError.

    *index* will describe it. The project's own index and work tree have no part in it.
    """
    git = repository.git.using(work_tree=target, index=index)
    git.call("read-tree", "--reset", "-u", commit)


def folder(state_root: Path) -> Path:
    """Where all sandboxes are."""
    return state_root / "sandboxes"


def load(record: Path) -> Sandbox:
    """Read a record. SandboxError if it is not one."""
    try:
        data = json.loads(record.read_bytes())
        submodules = tuple(Submodule(**each) for each in data.get("submodules", ()))
        return Sandbox(**data | {"included": tuple(data["included"]), "submodules": submodules})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SandboxError(f"{record} is not a record of a sandbox: {error}") from error


def recorded(state_root: Path, plan_id: str | None = None) -> list[Sandbox]:
    """Every sandbox that has a readable record, oldest first; those of one plan if given."""
    found: list[Sandbox] = []
    # Every job of a plan asks, and there may be thousands of sandboxes: what is not the plan's is not read.
    names = "*" if plan_id is None else f"{plan_id}-*"
    for record in folder(state_root).glob(f"*/{names}{_SUFFIX}"):
        with suppress(SandboxError):
            found.append(load(record))
    wanted = (box for box in found if plan_id in (None, box.plan_id))
    return sorted(wanted, key=lambda box: (box.created_at, box.job_id))


def unrecorded(state_root: Path) -> list[Path]:
    """Folders where the sandboxes are that no record describes. They are never removed."""
    known = {box.path for box in recorded(state_root)}
    return sorted(path for path in folder(state_root).glob("*/*") if path.is_dir() and path not in known)


def users_of(path: Path) -> list[int]:
    """The ids of this user's processes whose working directory is *path* or below it."""
    return sorted(pid for pid, cwd in _working_directories() if cwd == path or path in cwd.parents)


def _working_directories() -> Iterator[tuple[int, Path]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                yield int(entry.name), (entry / "cwd").readlink()


def delete(box: Sandbox) -> None:
    """Delete the folder and then the record, so that a kill in between leaves the record."""
    if box.path.is_symlink():
        box.path.unlink()  # the link alone: it may lead to the project
    remove_tree(box.path)
    for index in box.path.parent.glob(f"{box.index.name}*"):
        index.unlink(missing_ok=True)
    box.record.unlink(missing_ok=True)
    with suppress(OSError):
        box.path.parent.rmdir()


def remove_tree(path: Path) -> None:
    """Remove a folder, read-only folders in it included. OSError if something resists."""
    if path.is_symlink() or not path.exists():
        return
    # A module cache is read-only down to its folders: nothing in a folder without `w` can be unlinked.
    path.chmod(0o700)
    for folder, names, _ in os.walk(path):
        for child in (Path(folder, name) for name in names):
            if not child.is_symlink():
                child.chmod(0o700)
    shutil.rmtree(path)
