"""What a sandbox costs: ``python -m benchmarks.sandboxes [FILES [REFS [TIMES]]]``.

Prints medians for each strategy: seconds on the clock, which depend on what else the machine does, and seconds of CPU of
this process and of the git that it runs, which depend on it less.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agentsd.plans import lifecycle
from agentsd.plans.lock import repository_lock
from agentsd.plans.repository import Repository, open_repository
from agentsd.plans.sandbox import SandboxRequest

FILES, REFS, TIMES = 2000, 0, 10


def main(files: int = FILES, refs: int = REFS, times: int = TIMES) -> None:
    """Measure in a fresh repository of *files* files with *refs* remote branches."""
    with tempfile.TemporaryDirectory() as folder:
        project, state = Path(folder, "project"), Path(folder, "state")
        state.mkdir()
        _build(project, files, refs)
        repository = open_repository(project, state)
        for strategy in ("worktree", "clone", "copy"):
            taken = [_measure(repository, state, strategy, number) for number in range(times)]
            clock, cpu, away = (statistics.median(column) for column in zip(*taken, strict=True))
            print(
                f"{strategy:9} made in {clock:.3f} s ({cpu:.3f} s of CPU), removed in {away:.3f} s",
                flush=True,
            )


def _build(project: Path, files: int, refs: int) -> None:
    for number in range(files):
        file = project / f"folder{number % 50}" / f"file{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"line {number}\n" * 40)
    _git(project, "init", "--quiet")
    _git(project, "add", "--all")
    _git(project, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=x")
    lines = "".join(f"create refs/remotes/origin/branch{number} HEAD\n" for number in range(refs))
    _git(project, "update-ref", "--stdin", stdin=lines)
    _git(project, "pack-refs", "--all")
    time.sleep(1.1)  # or git would take every file for one that may have changed since
    _git(project, "status")


def _git(project: Path, *args: str, stdin: str = "") -> None:
    subprocess.run(["git", *args], cwd=project, check=True, capture_output=True, input=stdin, text=True)


def _measure(repository: Repository, state: Path, strategy: str, number: int) -> tuple[float, float, float]:
    """Seconds to make a sandbox on the clock and of CPU, and to remove it."""
    start, cpu = time.perf_counter(), _cpu()
    with repository_lock(repository, state):
        request = SandboxRequest(plan_id=f"{strategy}{number}", job_id="J", strategy=strategy)
        box = lifecycle.create(repository, state, request)
    made, used = time.perf_counter(), _cpu() - cpu
    with repository_lock(repository, state):
        lifecycle.remove(repository, box)
    return made - start, used, time.perf_counter() - made


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
