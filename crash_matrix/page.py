"""The page of the matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from support.patience import PATIENCE

from crash_matrix.cells import MEANINGS, why_not
from crash_matrix.play import Finding
from crash_matrix.points import POINTS

_INTRODUCTION = """# The crash matrix

What you find after a process was killed, stopped, or failed, at every step of a job's life. Each line was played for
real: a store of its own, a healthy worker with a job beside it, a worker that meets the fault with a healthy job in its other slot, and
the job of the line. Half of the lines do without control groups, as on a machine that has none to give. `nox -s crash_matrix` plays it again and writes this page; it fails if one line falls short.
"""
_PROMISES = """
## What is looked at after each

- Every move in the history is a legal one: one event per move, one claim, one end. What was acknowledged is there. `PRAGMA integrity_check` is `ok`.
- The handler of a row has begun at most once; of a job that succeeded, exactly once; never before its process was recorded.
- When a row says that a job has ended, none of its processes lives: each child, `setsid` grandchild and twice forked daemon told its pid and start time.
- After `kill -9` of one process, or of one and the job process in one instant, nothing of its jobs is left within two seconds, before anything is started again.
- A supervisor that was declared lost and wakes up drops what it has, and the history says so.
- The healthy job in the other worker succeeds; so does the one in the same worker, unless that worker's supervisor or spawner was killed.
- A job that is queued afterwards runs. Workers that are told to stop exit with 0. At the end no process with the store's marker is left anywhere.
- For plans: files, index, HEAD, refs and stash of the user byte for byte; an apply is whole after the next apply, and undone by a revert; a clean-up leaves no sandbox, and `git fsck` is silent.
"""
_HISTORY = """
## What fell short before

| when | what | mended |
|---|---|---|
| first whole run | an error between judging a worker and burying it left its jobs "running" (two lines) | in the product: whatever goes wrong in a burial, the dead worker is judged anew |
| | three lines expected what was never promised | in the matrix |
| 2026-11-24 | a worker's own prune met the fault that was meant for the command's (two lines); a plan that is reverted after a kill keeps its sandbox, as a ready plan does | in the matrix |
| 2026-11-29 | since processes stand by, a spawner that is killed in a fork is hit while a job runs | in the matrix: a fork ahead is an operation of its own |
"""


def page(findings: Sequence[Finding], run: str) -> str:
    """The page, as Markdown. *run* says when, where and on what it was played."""
    return (
        "\n".join(
            [
                _INTRODUCTION,
                _circumstances(findings, run),
                _PROMISES,
                _HISTORY,
                *_legend(),
                *_tables(findings),
                *_not_tried(),
            ]
        )
        + "\n"
    )


def _circumstances(findings: Sequence[Finding], run: str) -> str:
    short = sum(bool(finding.problem) for finding in findings)
    patience = "" if PATIENCE == 1 else f" Deadlines were multiplied by {PATIENCE:g}."
    return f"{len(findings)} lines, **{short} fell short**. {run}{patience}"


def _legend() -> Iterator[str]:
    yield "## Faults\n"
    yield "| fault | what happens |\n|---|---|"
    yield from (f"| {fault} | {meaning} |" for fault, meaning in MEANINGS.items())
    yield "\n`worker_lost`, `signalled` and so on are the [reasons](async_architecture.md#reasons) of the job's end."


def _tables(findings: Sequence[Finding]) -> Iterator[str]:
    for operation in dict.fromkeys(finding.cell.point.operation for finding in findings):
        yield f"\n## {operation[0].upper()}{operation[1:]}\n"
        yield "| point | who is there | the job is | fault | job | what you find |\n|---|---|---|---|---|---|"
        yield from (_line(each) for each in findings if each.cell.point.operation == operation)


def _line(finding: Finding) -> str:
    point = finding.cell.point
    found = finding.words or "all as before"
    if finding.problem:
        found = "**fell short**: " + finding.problem.splitlines()[0].replace("|", "/")
    return f"| `{point.name}` | {point.actor} | {point.progress} | {finding.cell.fault} | {finding.cell.kind} | {found} |"


def _not_tried() -> Iterator[str]:
    yield "\n## Not tried\n"
    yield "| fault | why | points |\n|---|---|---|"
    for fault in MEANINGS:
        for why, names in _reasons(fault).items():
            yield f"| {fault} | {why} | {', '.join(f'`{name}`' for name in dict.fromkeys(names))} |"


def _reasons(fault: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for point in POINTS:
        if why := why_not(point, fault):
            found.setdefault(why, []).append(point.name)
    return found
