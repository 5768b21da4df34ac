"""Running the steps of a plan, one after the other, and telling how far they are."""

from __future__ import annotations

import os
from pathlib import Path

from agentsd.clock import utc_now
from agentsd.errors import JobCancelled, StepFailedError
from agentsd.model import JSON
from agentsd.plans.actions import StepContext, perform
from agentsd.plans.conditions import Condition
from agentsd.plans.frozen import FrozenPlan, Limits, Step
from agentsd.plans.git import scrubbed
from agentsd.plans.ports import JobPort, RunTool

_TAIL_LINES = 20
_TAIL_BYTES = 16 * 1024


def log_path(log_dir: Path, number: int) -> Path:
    """Where the output of step *number* (from 1) goes."""
    return log_dir / f"{number:02d}-step.log"


class StepRunner:
    """Runs the steps of *plan* with *root* as the project."""

    def __init__(self, job: JobPort, plan: FrozenPlan, root: Path, plan_id: str) -> None:
        """Nothing has run yet; every step is waiting."""
        self.job, self.plan, self.root, self.plan_id = job, plan, root, plan_id
        self.states: list[dict[str, JSON]] = [_waiting(step) for step in plan.steps]
        self.failure = ""
        self._current = 0

    def run(self) -> None:
        """Run every step whose condition holds.

        StepFailedError at the end if one failed that must not; JobCancelled as soon as the token is set, and the
        steps that run always have run.
        """
        self._tell()
        try:
            for number, step in enumerate(self.plan.steps, start=1):
                self._current = number
                self._run_step(number, step)
        except JobCancelled:
            self._tidy_up()
            self._skip_waiting()
            raise
        if self.failure:
            raise StepFailedError(self.failure)

    def _tidy_up(self) -> None:
        """Run what is to run whatever happens: once each, as long as there is time.

        A cancel that killed the only step that stops a container would be worse than one that takes a moment longer.
        """
        for number, step in enumerate(self.plan.steps, start=1):
            if self.states[number - 1]["state"] != "waiting" or step.condition is not Condition.ALWAYS:
                continue
            self._current = number
            self._say(number, f"{step.name} (the job is to end)")
            self._change(number, state="running", started_at=utc_now(), attempt=1)
            try:
                problem = self._perform(self.job.run_last, number, step)
            except JobCancelled:
                self._change(number, state="cancelled", finished_at=utc_now())
                return
            self._end(number, step, problem)

    def _end(self, number: int, step: Step, problem: str) -> None:
        state = "failed" if problem else "succeeded"
        self._change(number, state=state, finished_at=utc_now(), error=problem)
        if problem:
            self._report(number, step, problem)

    def _run_step(self, number: int, step: Step) -> None:
        self.job.token.raise_if_set()
        if not step.condition.holds(failed=bool(self.failure)):
            self._change(number, state="skipped")
            return
        self._say(number, step.name)
        try:
            problem = self._try_step(number, step)
        except JobCancelled:
            self._change(number, state="cancelled", finished_at=utc_now())
            raise
        self._end(number, step, problem)

    def _try_step(self, number: int, step: Step) -> str:
        """Run a step until it succeeds or its tries are used up; return what was wrong, or nothing."""
        problem = ""
        started = utc_now()
        for attempt in range(1, step.retries + 2):
            self.job.token.raise_if_set()
            self._change(number, state="running", started_at=started, attempt=attempt, error=problem)
            if attempt > 1:
                self._say(number, f"{problem}; try {attempt} of {step.retries + 1}")
            problem = self._perform(self.job.run, number, step)
            if not problem:
                break
        return problem

    def _perform(self, run: RunTool, number: int, step: Step) -> str:
        """Carry a step out once; return what was wrong, or nothing. JobCancelled."""
        outcome = perform(run, step, self._context(number, step))
        self._change(number, exit_code=outcome.exit_code, survivors=outcome.survivors)
        return outcome.problem

    def _context(self, number: int, step: Step) -> StepContext:
        env = scrubbed(os.environ) | self._ceiling() | dict(self.plan.env) | dict(step.env)
        env |= {
            "AGENTS_PLAN_ID": self.plan_id,
            "AGENTS_JOB_ID": self.job.job.job_id,
            "AGENTS_STEP": step.id,
            "AGENTS_SANDBOX": str(self.root),
        }
        return StepContext(
            root=self.root,
            in_sandbox=self._in_sandbox,
            env=env,
            log=log_path(self.job.log_dir, number),
            limits=self._limits(),
        )

    def _ceiling(self) -> dict[str, str]:
        """Where git stops looking for a repository, should the sandbox have lost its own.

        Above it there may be one: of a home folder, or the project itself if the state directory is in there.
        """
        return {"GIT_CEILING_DIRECTORIES": str(self.root.parent)} if self._in_sandbox else {}

    @property
    def _in_sandbox(self) -> bool:
        return self.plan.sandbox != "none"

    def _limits(self) -> Limits:
        """What the plan says, and the worker's configuration where it says nothing."""
        return self.plan.limits.over(Limits.from_json(self.job.options.get("limits") or {}))

    def _report(self, number: int, step: Step, problem: str) -> None:
        """Say what went wrong, with the last lines of output; remember it if it fails the plan."""
        self._say(number, f"{problem}. The last lines of its output:")
        for line in tail(log_path(self.job.log_dir, number)):
            print("    " + line, flush=True)
        if step.continue_on_error:
            self._change(number, continued=True)
        elif not self.failure:
            self.failure = f"Step {number} ({step.name}) {problem}."

    def _skip_waiting(self) -> None:
        for state in self.states:
            if state["state"] == "waiting":
                state["state"] = "skipped"
        self._tell()

    def _change(self, number: int, **values: JSON) -> None:
        self.states[number - 1] |= values
        self._tell()

    def _tell(self) -> None:
        steps = [dict(state) for state in self.states]
        self.job.progress({"steps": steps, "current": self._current, "total": len(steps)})

    def _say(self, number: int, text: str) -> None:
        """Write a line into the job's own log, which is this process's standard output."""
        print(f"[{number}/{len(self.states)}] {text}", flush=True)


def _waiting(step: Step) -> dict[str, JSON]:
    return {
        "id": step.id,
        "name": step.name,
        "state": "waiting",
        "started_at": None,
        "finished_at": None,
        "exit_code": None,
        "attempt": 0,
        "error": "",
        "continued": False,
        "survivors": 0,
    }


def tail(path: Path) -> list[str]:
    """The last lines of a log; none if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-_TAIL_LINES:]
    except OSError:
        return []
