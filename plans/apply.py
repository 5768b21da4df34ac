"""The phase ``apply``: bring a plan's change set into the project, wholly or not at all.

The merge happens in the object database; then a journal is written and then the files. A crash in between leaves
the journal, and the next apply goes on from what it finds: merging the project as it is then with what the first
one wanted gives exactly the writes that are still missing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from agentsd.errors import AgentsError, ConflictError
from agentsd.faults import reach
from agentsd.model import JSON
from agentsd.plans import leftovers, refs, sandbox, writes
from agentsd.plans.changes import Difference
from agentsd.plans.execute import assignment_of
from agentsd.plans.git import shown
from agentsd.plans.lock import repository_lock
from agentsd.plans.ports import JobPort
from agentsd.plans.preparation import ApplyRequest, Prepared, prepared
from agentsd.plans.repository import Repository, open_repository
from agentsd.plans.retire import retire

_TELL_SECONDS = 0.1


def apply(job: JobPort) -> JSON:
    """Apply the latest result of the job's plan.

    ApplyConflictError: it does not fit, nothing was written. ConflictError: there is nothing to apply, or the project
    was edited while files were written, and the next apply goes on. From the first write to the last, cancel and
    timeout wait.
    """
    assignment = assignment_of(job)
    payload = cast("Mapping[str, JSON]", job.payload or {})
    request = ApplyRequest(
        plan_id=assignment.plan_id,
        plan=assignment.plan,
        result=assignment.latest,
        onto_current=payload.get("onto_current") is True,
        as_captured=payload.get("as_captured") is True,
    )
    repository = _open(job.state_root, request)
    job.progress({"doing": "merging"})
    with repository_lock(repository, job.state_root, token=job.token):
        leftovers.tidy(repository, job.state_root, request.plan_id, job.job.job_id)
        with prepared(repository, job.state_root, request) as ready:
            job.token.raise_if_set()
            ready.writer.on_progress = _progress(job)
            with job.shield():
                _write(repository, job.state_root, ready)
        if job.options.get("sandbox_cleanup", "on_apply") != "manual":
            _remove_sandboxes(repository, job.state_root, request.plan_id)
    _say(ready)
    return _report(ready, ready.entry.operations)


def check(state_root: Path, request: ApplyRequest) -> dict[str, JSON]:
    """What an apply would do now; writes no file. ApplyConflictError, ConflictError, SandboxError."""
    repository = _open(state_root, request)
    with repository_lock(repository, state_root), prepared(repository, state_root, request) as ready:
        return _report(ready, ready.writer.operations) | {"kind": "check"}


def _open(state_root: Path, request: ApplyRequest) -> Repository:
    if request.plan.sandbox == "none":
        raise ConflictError("The plan ran in the project itself (sandbox: none): there is nothing to apply.")
    return open_repository(Path(request.plan.project), state_root)


def _write(repository: Repository, state_root: Path, ready: Prepared) -> None:
    entry, writer, git = ready.entry, ready.writer, repository.git
    pinned = {"before": entry.before, "after": entry.after, "originals": entry.kept}
    for what, commit in pinned.items():
        if commit:
            refs.pin(git, refs.apply_ref(entry.plan_id, what), commit)
    reach("apply.prepared")
    entry.begin(state_root)
    reach("apply.begun")
    try:
        writer.write()
    except AgentsError:
        if not writer.written and not ready.resumed:
            entry.withdraw(state_root)
        raise
    reach("apply.written")
    entry.finish(state_root)
    reach("apply.finished")


def _progress(job: JobPort) -> writes.OnProgress:
    """Tell how far the writing is, but not more often than a person can read it."""
    said = 0.0

    def tell(doing: str, done: int, total: int) -> None:
        nonlocal said
        if done == total or time.monotonic() - said >= _TELL_SECONDS:
            said = time.monotonic()
            job.progress({"doing": doing, "done": done, "total": total, "what": "files"})

    return tell


def _remove_sandboxes(repository: Repository, state_root: Path, plan_id: str) -> None:
    """Remove what the plan has no use for any more. What resists stays and is said; the apply has succeeded."""
    for box in sandbox.recorded(state_root, plan_id):
        try:
            retire(repository, state_root, box)
        except AgentsError as error:
            print(str(error), flush=True)


def _say(ready: Prepared) -> None:
    """Write into the job's own log what was done."""
    if not ready.entry.operations:
        print("nothing to apply: the change set is empty")
        return
    number = len(ready.writer.operations)
    print(f"{number} file{'s' * (number != 1)} written")
    if ready.unkept:
        names = ", ".join(map(shown, ready.unkept))
        print(f"git keeps less than stood there (a filter, line ends), a revert brings it back: {names}")


def _report(ready: Prepared, operations: Sequence[Difference]) -> dict[str, JSON]:
    return {
        "kind": "applied",
        "before": ready.entry.before,
        "after": ready.entry.after,
        "files": [{"path": shown(each.path), "status": _word(each)} for each in operations],
        "empty": not operations,
        "resumed": ready.resumed,
        "unkept": [shown(path) for path in ready.unkept],
    }


def _word(operation: Difference) -> str:
    if operation.old is None:
        return "added"
    return "deleted" if operation.new is None else "modified"
