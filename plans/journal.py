"""What an apply is doing, written down before it begins.

While ``<state>/apply/<plan>.json`` exists, the apply has begun and not finished. When it has, the file becomes
``<plan>.applied.json``, which a revert needs. When that has put everything back, the file becomes
``<plan>.reverted.json`` until the store knows: killed in between, the next revert only tells the store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path

from agentsd.errors import ConflictError
from agentsd.model import JSON
from agentsd.plans.changes import Difference, Entry
from agentsd.plans.durable import sync_folders, write_durably
from agentsd.plans.originals import Original
from agentsd.plans.standing import Permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """One apply of *result*: the project *before* and *after* as commits, and the paths that it writes."""

    plan_id: str
    project: str
    result: str
    before: str
    after: str
    operations: tuple[Difference, ...]
    folders: tuple[str, ...] = ()
    """Folders that were not there before; a revert takes away what is empty of them."""
    doomed: Mapping[str, Permissions] = field(default_factory=dict[str, Permissions])
    """Folders that may go with the apply; a revert makes them again as they were."""
    originals: Mapping[str, Original] | None = None
    """What stood where the apply wrote; None if it was written by an agentsd that did not keep it."""
    kept: str | None = None
    """The commit that keeps *originals* from being collected as garbage."""
    written: Mapping[str, str] = field(default_factory=dict[str, str])
    """The object of each file's bytes as they were written."""

    def begin(self, state_root: Path) -> None:
        """Write the journal, durably. From here on the apply has begun."""
        path = active_path(state_root, self.plan_id)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(path, json.dumps(self._to_json()).encode())
        reverted_path(state_root, self.plan_id).unlink(missing_ok=True)

    def withdraw(self, state_root: Path) -> None:
        """Say that nothing was written after all."""
        active_path(state_root, self.plan_id).unlink()

    def finish(self, state_root: Path) -> None:
        """Say that everything is written."""
        active = active_path(state_root, self.plan_id)
        active.replace(applied_path(state_root, self.plan_id))
        sync_folders([active.parent])

    def _to_json(self) -> dict[str, JSON]:
        return {
            "plan_id": self.plan_id,
            "project": self.project,
            "result": self.result,
            "before": self.before,
            "after": self.after,
            "operations": [
                {"path": each.path, "old": _pair(each.old), "new": _pair(each.new)}
                for each in self.operations
            ],
            "folders": list(self.folders),
            "doomed": {path: astuple(each) for path, each in self.doomed.items()},
            "originals": None if self.originals is None else _originals_json(self.originals),
            "kept": self.kept,
            "written": dict(self.written),
        }


def active_path(state_root: Path, plan_id: str) -> Path:
    """Where the journal of an unfinished apply is."""
    return state_root / "apply" / f"{plan_id}.json"


def applied_path(state_root: Path, plan_id: str) -> Path:
    """Where the journal of a finished apply is."""
    return state_root / "apply" / f"{plan_id}.applied.json"


def reverted_path(state_root: Path, plan_id: str) -> Path:
    """Where the journal of an apply is that was put back, until the store knows."""
    return state_root / "apply" / f"{plan_id}.reverted.json"


def unfinished(state_root: Path, plan_id: str) -> Journal | None:
    """The journal of an apply that has begun and not finished."""
    return _read(active_path(state_root, plan_id))


def all_unfinished(state_root: Path) -> list[Journal]:
    """The journals of all applies that have begun and not finished; what cannot be read is left out."""
    found: list[Journal] = []
    for path in sorted((state_root / "apply").glob("*.json")):
        if "." not in path.stem:  # else it is applied or reverted
            with suppress(ConflictError):
                found += filter(None, [_read(path)])
    return found


def of_result(state_root: Path, plan_id: str, result: str | None) -> Journal | None:
    """The journal that an apply of *result* goes on from: an unfinished one, or the finished one of that result."""
    begun = latest(state_root, plan_id)
    if begun and begun.result != result and not active_path(state_root, plan_id).exists():
        return None
    return begun


def latest(state_root: Path, plan_id: str) -> Journal | None:
    """The journal of the plan's apply, finished or not."""
    return unfinished(state_root, plan_id) or _read(applied_path(state_root, plan_id))


def put_back(state_root: Path, plan_id: str) -> None:
    """Say that everything is as it was before the apply."""
    applied, active = applied_path(state_root, plan_id), active_path(state_root, plan_id)
    if active.exists() and applied.exists():
        applied.unlink()  # the active one goes on from it and knows what it knew
    (active if active.exists() else applied).replace(reverted_path(state_root, plan_id))
    sync_folders([active.parent])


def is_put_back(state_root: Path, plan_id: str) -> bool:
    """Whether the plan's apply was put back, and the store may not know."""
    return reverted_path(state_root, plan_id).exists()


def forget(state_root: Path, plan_id: str) -> None:
    """Remove what is known about the plan's apply."""
    for path in (active_path, applied_path, reverted_path):
        path(state_root, plan_id).unlink(missing_ok=True)


def _read(path: Path) -> Journal | None:
    try:
        data: Mapping[str, JSON] = json.loads(path.read_bytes())
        operations = tuple(
            Difference(each["path"], _entry(each["old"]), _entry(each["new"])) for each in data["operations"]
        )
        return Journal(
            plan_id=data["plan_id"],
            project=data["project"],
            result=data["result"],
            before=data["before"],
            after=data["after"],
            operations=operations,
            folders=tuple(data.get("folders", ())),
            doomed={path: Permissions(*each) for path, each in data.get("doomed", {}).items()},
            originals=_originals(data.get("originals")),
            kept=data.get("kept"),
            written=data.get("written", {}),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConflictError(f"The journal {path} cannot be read: {error}") from error


def _originals_json(originals: Mapping[str, Original]) -> JSON:
    return {path: [*astuple(each.permissions), each.blob] for path, each in originals.items()}


def _originals(data: Mapping[str, JSON] | None) -> dict[str, Original] | None:
    if data is None:
        return None
    return {path: Original(Permissions(*each[:-1]), each[-1]) for path, each in data.items()}


def _pair(entry: Entry | None) -> JSON:
    return None if entry is None else [entry.mode, entry.oid]


def _entry(pair: JSON) -> Entry | None:
    return None if pair is None else Entry(pair[0], pair[1])
