"""What one scenario knows: its home, its operator, its workers, and the job it is about."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from support.home import Home
from support.operator import Answer, Operator
from support.patience import eventually
from support.processes import is_alive
from support.supervisor import Supervisor
from support.workshop import Workshop

PLAN = """\
name: write-a-version
steps:
  - name: version
    write:
      path: VERSION
      content: "2.0\\n"
"""


class World:
    """The nouns of the scenarios."""

    def __init__(self) -> None:
        self.home = Home()
        self.operator = Operator(self.home)
        self.workshop = Workshop(self.home, self.operator)
        self.workers: dict[str, Supervisor] = {}
        self.jobs: list[str] = []
        self.answer = Answer("", 0, "", "")
        self.plan_id = ""
        self.refusal = ""

    def start_worker(self, name: str, *options: str) -> None:
        """Start the worker *name* and wait until it takes jobs."""
        self.workers[name] = Supervisor(self.home, *options)
        self.workers[name].start()

    @property
    def worker(self) -> Supervisor:
        """The worker that was started last."""
        return list(self.workers.values())[-1]

    @property
    def job_id(self) -> str:
        """The job that the scenario is about: the first one enqueued."""
        return self.jobs[0]

    @property
    def job(self) -> dict[str, Any]:
        """That job, as ``agents job show`` gives it now."""
        return self.operator.job(self.job_id)

    @property
    def gate(self) -> Path:
        """The file that jobs of the phase ``gate`` wait for."""
        return self.home.root / "gate"

    @property
    def pids_file(self) -> Path:
        """Where a job of the phase ``tree`` writes the pids of its processes."""
        return self.home.root / "pids.json"

    def enqueue(self, phase: str, payload: object = None, *options: str) -> None:
        """Enqueue a job as the operator does; the answer is kept."""
        words = ("job", "enqueue", phase, "--payload", json.dumps(payload), *options)
        self.answer = self.operator.ask(*words)
        self.jobs.append(self.answer.data["job_id"])

    def run_job_with_tree(self, then: str = "hold") -> None:
        """Enqueue a job that starts processes which ignore SIGTERM; return when all of them run."""
        self.enqueue("tree", {"pids": str(self.pids_file), "then": then})
        eventually(self.pids_file.exists, 10, "the job has started its processes")

    @property
    def living_job_processes(self) -> list[int]:
        """Which of the job's own processes are alive."""
        return [pid for pid in json.loads(self.pids_file.read_text()).values() if is_alive(pid)]

    def status(self, job_id: str) -> str:
        """The job's status in the store; read without a command, so that a deadline is not spent on start-up."""
        with self.home.connect() as client:
            return client.get(job_id).status

    def wait_for(self, status: str, seconds: float, job_id: str | None = None) -> dict[str, Any]:
        """The job as soon as it has *status*."""
        wanted = job_id or self.job_id
        eventually(
            lambda: self.status(wanted) == status,
            seconds,
            lambda: f"the job is {status}; it is {self.operator.run('job', 'show', wanted)}",
        )
        return self.operator.job(wanted)

    def count(self, status: str) -> int:
        """How many jobs have *status*."""
        with self.home.connect() as client:
            return sum(job.status == status for job in client.list())

    def knows(self, job_id: str) -> bool:
        """Whether there is such a job."""
        with self.home.connect() as client:
            return any(job.job_id == job_id for job in client.list())

    def pids_of_running_jobs(self) -> list[int | None]:
        """The pid of each running job."""
        with self.home.connect() as client:
            return [job.pid for job in client.list() if job.status == "running"]

    def seconds_queued(self) -> float:
        """How long the job waited before its handler might begin."""
        job = self.job
        begun, enqueued = (datetime.fromisoformat(job[name]) for name in ("started_at", "created_at"))
        return (begun - enqueued).total_seconds()

    def states_passed(self) -> list[str]:
        """The states that the job has been in, in order."""
        return [event["to"] for event in self.job["events"] if event["from"] != event["to"]]

    def tamper(self, statement: str, *values: object) -> None:
        """Change the database behind agentsd's back; a refusal is kept."""
        try:
            self.home.sql(statement, *values)
        except sqlite3.DatabaseError as error:
            self.refusal = str(error)

    def insert_job_from_newer_version(self) -> None:
        """Put a row there as a newer agentsd would, with a payload version that nobody here knows."""
        job_id = "7" * 26
        columns = "job_id, plan_id, phase, status, payload_json, schema_version, created_at"
        payload = json.dumps({"schema_version": 99, "phase": "noop", "data": None, "colour": "new"})
        values = (job_id, job_id, "noop", "queued", payload, 99, "2026-01-31T09:00:00.000000Z")
        self.home.sql(f"INSERT INTO async_jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", *values)
        self.jobs.append(job_id)

    def make_plan(self) -> None:
        """Make a small git project with a plan in it, and create the plan."""
        project = self.home.root / "project"
        project.mkdir()
        (project / "plan.yaml").write_text(PLAN)
        (project / "VERSION").write_text("1.0\n")
        who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        for words in (("init", "-q", "-b", "main"), ("add", "."), (*who, "commit", "-q", "-m", "Begin")):
            subprocess.run(("git", *words), cwd=project, env=self.home.environ, check=True)
        self.operator.directory = project
        self.plan_id = self.operator.ask("plan", "create", "plan.yaml").data["plan_id"]

    def close(self) -> None:
        """Stop every worker as an operator would, so that each of them can clean up (and be measured)."""
        self.gate.touch()
        try:
            for worker in self.workers.values():
                worker.stop()
        finally:
            for worker in self.workers.values():
                worker.end()
