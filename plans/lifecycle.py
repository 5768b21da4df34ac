"""Making sandboxes and taking them away. Everything here runs under the repository's lock."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from agentsd.errors import AgentsError, SandboxError
from agentsd.faults import reach
from agentsd.plans import refs, sandbox, snapshot, submodules
from agentsd.plans.include import bring
from agentsd.plans.repository import Repository, refuse_unready
from agentsd.plans.sandbox import Sandbox, SandboxRequest
from agentsd.plans.strategies import STRATEGIES


def create(repository: Repository, state_root: Path, request: SandboxRequest) -> Sandbox:
    """Make a complete sandbox, or none. SandboxError, GitError; either way nothing half-made stays."""
    refuse_unready(repository)
    commit = _base_commit(repository, state_root, request)
    refs.pin(repository.git, refs.job_ref(request.plan_id, request.job_id, "base"), commit)
    box = sandbox.planned(repository, state_root, request, commit)
    box.save()
    try:
        reach("sandbox.recorded")
        strategy = STRATEGIES[request.strategy]
        strategy.make(repository, box)
        reach("sandbox.made")
        _require_complete(repository, box)
        filled = tuple(submodules.fill(repository, box, with_git=strategy.has_git))
        included = bring(repository, box.path, request.include, state_root)
        box = replace(box, submodules=filled, included=included, complete=True)
        box.save()
        reach("sandbox.complete")
    except (AgentsError, OSError) as error:
        remove(repository, box)
        raise SandboxError(f"The sandbox could not be made: {error}") from error
    return box


def remove(repository: Repository, box: Sandbox) -> None:
    """Take a sandbox away: its registration, its folder, its record. SandboxError if somebody is in it."""
    if users := sandbox.users_of(box.path):
        raise SandboxError(f"{box.root} is in use by process {', '.join(map(str, users))}; it stays.")
    try:
        STRATEGIES[box.strategy].unregister(repository, box)
        sandbox.delete(box)
    except OSError as error:
        raise SandboxError(f"{box.root} could not be removed: {error}") from error


def _base_commit(repository: Repository, state_root: Path, request: SandboxRequest) -> str:
    head = repository.head()
    if request.base == "head" and head is not None:
        return head
    parents = [head] if head else []
    message = f"agentsd: the work tree when plan {request.plan_id} began"
    return snapshot.of_project(repository, state_root, parents=parents, message=message).commit


def _require_complete(repository: Repository, box: Sandbox) -> None:
    """Refuse a sandbox that lacks something; capturing it later would look like deleting it. SandboxError."""
    view = repository.git.using(work_tree=box.path, index=box.index)
    if not box.index.exists():
        raise SandboxError(f"{box.root} has no index.")
    missing = view.paths("ls-files", "--deleted", "-z")
    if missing or view.call("diff-index", "--cached", "--quiet", box.base, ok=(0, 1)).returncode:
        raise SandboxError(f"{box.root} is incomplete, for example {json.dumps(missing[:3])} are missing.")
