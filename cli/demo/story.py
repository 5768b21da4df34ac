"""What the demo shows, act by act."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, cast

from agentsd.cli.demo.board import Board
from agentsd.cli.demo.project import NAUGHTY_PROCESSES, PLANS, make_project
from agentsd.cli.demo.scene import Scene, alive, tree_of
from agentsd.cli.output import has_color, paint, write, write_bytes
from agentsd.cli.plan.create import row_of
from agentsd.cli.shapes import parsed
from agentsd.cli.words import took
from agentsd.model import JSON, AsyncJob, AsyncJobStatus, Phase
from agentsd.plans.changes import diff_text
from agentsd.plans.file import load_plan
from agentsd.store import plans
from agentsd.store.ids import new_id
from agentsd.store.units import format_seconds

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


INDEX_LINE = re.compile(rb"(\x1b\[[0-9;]*m)*index [0-9a-f]{40}")
"""A line of a patch for git's eyes only, and too long for 80 columns."""


class Story:
    """One performance. *quiet*: nothing is written, because a program is reading."""

    def __init__(self, place: Scene, client: Client, *, quiet: bool) -> None:
        self._place, self._client = place, client
        self._quiet = quiet
        self._jobs: dict[str, str] = {}
        """Job ids by the plan's name."""
        self._plans: dict[str, str] = {}

    def play(self) -> dict[str, JSON]:
        """The whole story; returns what a program wants to know of it."""
        self._queue_plans()
        self._start_worker()
        ended = self._watch_and_cancel()
        files = self._apply("release")
        outcome = {name: self._client.get(job_id) for name, job_id in self._jobs.items()}
        return {
            "jobs": {
                name: {"job_id": job.job_id, "status": job.status, "reason": job.reason}
                for name, job in outcome.items()
            },
            "processes_ended": ended,
            "files_applied": files,
        }

    def _say(self, text: str = "") -> None:
        if not self._quiet:
            write(text + "\n")

    def _act(self, number: int, text: str) -> None:
        self._say(f"\n{paint(f'{number}.', 'bold')} {paint(text, 'bold')}")

    # -- 1 ------------------------------------------------------------------------------------------

    def _queue_plans(self) -> None:
        """Make the project, create the plans and queue their execution."""
        self._act(1, "A small git project, and four plans for it. Each is queued:")
        make_project(self._place.project)
        for name in PLANS:
            self._place.pause(0)
            plan = load_plan(self._place.root / f"{name}.yaml", self._place.project)
            row = row_of(plan, new_id())
            plans.create(self._client.db, row)
            job = self._client.enqueue_plan(row.plan_id, Phase.EXECUTE)
            self._plans[name], self._jobs[name] = row.plan_id, job.job_id
            self._say(f"   {name:<8} job {job.job_id}  {plan.description}")

    # -- 2 and 3 ------------------------------------------------------------------------------------

    def _start_worker(self) -> None:
        """Start the worker and wait until it is in the table."""
        self._act(2, "A worker runs three at once, each in a process and a sandbox of its own:")
        self._place.start_worker()
        self._place.until(self._worker_is_there, "the worker takes jobs")

    def _worker_is_there(self) -> bool:
        self._place.worker_ids = {worker.worker_id for worker in self._client.live_workers()}
        return bool(self._place.worker_ids)

    def _watch_and_cancel(self) -> int:
        """Show the jobs side by side until the good ones are done, then cancel the naughty one."""
        board = Board({job_id: name for name, job_id in self._jobs.items()})
        naughty = self._jobs["naughty"]

        def good_ones_are_done() -> bool:
            now = [self._client.get(job_id) for job_id in self._jobs.values()]
            if not self._quiet:
                board.show(now)
            return all(job.status.is_terminal for job in now if job.job_id != naughty)

        self._place.until(good_ones_are_done, "the jobs end")
        for name, job_id in self._jobs.items():
            if name != "naughty":
                _require(self._client.get(job_id), AsyncJobStatus.SUCCEEDED)
        return self._cancel(naughty)

    def _cancel(self, job_id: str) -> int:
        """Cancel the naughty job, and look whether one of its processes is left."""
        self._act(3, "`naughty` started a server and daemons, which ignore being asked to stop:")
        seen: dict[int, tuple[int, str]] = {}

        def all_there() -> bool:
            job = self._client.get(job_id)
            seen.update(tree_of(job.pid) if job.pid else {})
            return sum(words.startswith("sleep") for _, words in seen.values()) >= NAUGHTY_PROCESSES

        self._place.until(all_there, "the naughty job has started its processes")
        for pid, (_, words) in seen.items():
            self._say(f"   pid {pid:<7} {words[:60]}")
        self._say("   agents job cancel: asks, waits, kills, and looks until nothing is left ...")
        begin = time.monotonic()
        self._client.cancel(job_id, reason="shown in the demo")
        self._place.until(lambda: self._client.get(job_id).status.is_terminal, "the job is cancelled")
        _require(self._client.get(job_id), AsyncJobStatus.CANCELLED)
        left = alive(seen)
        if left:
            raise RuntimeError(f"processes of the cancelled job are alive: {left}")
        ended = f"{paint('cancelled', 'yellow')} within {format_seconds(time.monotonic() - begin)}"
        self._say(f"   {ended}. Of {len(seen)} processes none is left.")
        return len(seen)

    # -- 4 ------------------------------------------------------------------------------------------

    def _apply(self, name: str) -> int:
        """Show what a plan changed, apply it, and show that the project has it."""
        self._act(4, f"`{name}` is done. This is its change; the project is untouched so far:")
        plan_id = self._plans[name]
        result = parsed(self._client.get(self._jobs[name]).result)
        color = not self._quiet and has_color()
        patch = diff_text(
            self._place.project,
            result["base"],
            result["result"],
            state_root=self._place.state.root,
            color=color,
        )
        if not self._quiet:
            shown = (line for line in patch.splitlines(keepends=True) if not INDEX_LINE.match(line))
            write_bytes(b"".join(b"   " + line for line in shown))
        job = self._client.enqueue_plan(plan_id, Phase.APPLY)
        self._place.until(lambda: self._client.get(job.job_id).status.is_terminal, "the change is applied")
        done = self._client.get(job.job_id)
        _require(done, AsyncJobStatus.SUCCEEDED)
        version = (self._place.project / "VERSION").read_text().strip()
        self._say(f"   {paint('applied', 'green')} in {took(done)}: VERSION is {version} now.")
        return len(cast("list[JSON]", parsed(done.result)["files"]))


def _require(job: AsyncJob, status: AsyncJobStatus) -> None:
    """Raise RuntimeError if a job did not end as the story says."""
    if job.status is not status:
        raise RuntimeError(f"The {job.phase} {job.job_id} ended {job.status} ({job.reason}): {job.error}")
