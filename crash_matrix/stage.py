"""Where a cell is played: a store of its own, a healthy worker that is full, and the worker that meets the fault."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from support.home import Home
from support.operator import AGENTS
from support.patience import PATIENCE, eventually
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.faults import VARIABLE
from agentsd.model import AsyncJob
from agentsd.workers.process import children, start_ticks, state
from crash_matrix.cells import SEVERAL, Cell
from crash_matrix.points import Actor

HELD = 1.0
"""Seconds that a stopped process stays stopped."""
SETTINGS = {
    "poll_interval": "0.25 s", "job_ttl": "30 s", "cancel_grace": "0.4 s", "shutdown_grace": "0.4 s",
    "job_timeout": "120 s",
}  # fmt: skip
FORKED_FOR_IT = (
    "fork.before", "fork.forked", "fork.told", "child.begin", "child.session", "child.ready", "start.heard",
)  # fmt: skip
"""Where a run meets them nobody stands by, and one is forked because there is a job; else it is forked ahead, an operation of its own."""
SHORT_TTL = {"stop long": "2 s", "heartbeat": "6 s"}


@dataclass(frozen=True, slots=True)
class Process:
    """A process that a job has started, named for ever by its start time."""

    pid: int
    start: int | None

    def lives(self) -> bool:
        """Whether it can still do something."""
        return (
            self.start is not None
            and start_ticks(self.pid) == self.start
            and state(self.pid) not in ("Z", None)
        )


@dataclass(slots=True)
class Stage:
    """Everything of one cell."""

    cell: Cell
    source: Path | None = None
    home: Home = field(default_factory=Home)
    workers: list[Supervisor] = field(default_factory=list[Supervisor])
    jobs: dict[str, str] = field(default_factory=dict[str, str])
    """By role (target, near, far, late, old): the id of the job."""
    acknowledged: set[str] = field(default_factory=set[str])
    told: list[str] = field(default_factory=list[str])
    """What was seen on the way, in words."""
    seen: dict[str, list[Process]] = field(default_factory=dict[str, list[Process]])
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        """Set the configuration and make the folders."""
        for key, value in SETTINGS.items():
            self.home.set(f"async.{key}", value)
        ttl = SHORT_TTL.get(self.cell.fault) or SHORT_TTL.get(self.cell.point.operation)
        if ttl:
            self.home.set("async.job_ttl", ttl)
        if self.source is not None:
            self.home.environ["PYTHONPATH"] = str(self.source / "src")
            # What runs from a copy is not what is being measured.
            for name in [name for name in self.home.environ if name.startswith("COVERAGE")]:
                del self.home.environ[name]
        self.home.set("async.containment", self.containment)
        if self.cell.point.operation == "run" and self.cell.point.name in FORKED_FOR_IT:
            self.home.set("async.standbys", 0)
        self.pids.mkdir()
        self.gates.mkdir()

    @property
    def containment(self) -> str:
        """What holds a job's processes together: half of the cells do without control groups, as many machines do."""
        if self.cell.kind in ("grandchild", "daemon"):  # what is hardest to find without them
            return "subreaper"
        return ("auto", "subreaper")[len(self.cell.point.name) % 2]

    def connect(self) -> None:
        """Open the store; not before a scenario has put an old one there."""
        self.client = self.home.connect()

    @property
    def pids(self) -> Path:
        """The folder in which jobs say what they have started."""
        return self.home.root / "pids"

    @property
    def gates(self) -> Path:
        """The folder of the files that jobs wait for."""
        return self.home.root / "gates"

    @property
    def effects(self) -> Path:
        """The file in which every handler that begins leaves a line."""
        return self.home.root / "effects"

    @property
    def token(self) -> Path:
        """The file that lets the fault happen."""
        return self.home.root / "token"

    @property
    def rule(self) -> str:
        """The value of ``AGENTS_FAULTS``."""
        fault = "stop" if self.cell.fault in (*SEVERAL, "stop long") else self.cell.fault
        return f"{self.cell.point.name}={fault}:{self.token}"

    # -- workers and jobs ---------------------------------------------------------------------------

    def start(self, slots: int, *, at_fault: bool = False, ready: bool = True) -> Supervisor:
        """Start a worker and return when it takes jobs; at once if it is to be met before it is *ready*."""
        if at_fault:
            self.home.environ[VARIABLE] = self.rule
        worker = Supervisor(self.home, "--max-workers", str(slots))
        self.workers.append(worker)
        try:
            return worker.start(40) if ready else worker.launch()
        finally:
            self.home.environ.pop(VARIABLE, None)

    def enqueue(self, role: str, kind: str, timeout: float | None = None) -> str:
        """Queue a job of the matrix."""
        job_id = self.client.enqueue("work", payload=self.payload(role, kind), timeout=timeout).job_id
        self.jobs[role] = job_id
        self.acknowledged.add(job_id)
        return job_id

    def payload(self, role: str, kind: str) -> dict[str, str]:
        """What such a job gets."""
        return {
            "kind": kind,
            "effects": str(self.effects),
            "pids": str(self.pids),
            "gate": str(self.gates / role),
        }

    def begin(self, role: str, kind: str, timeout: float | None = None) -> AsyncJob:
        """Queue a job and return it when its handler has begun and everything that it starts runs."""
        job_id = self.enqueue(role, kind, timeout)
        eventually((self.pids / job_id).exists, 30, f"the {role} job runs")
        self.processes()
        return self.client.get(job_id)

    def open(self, role: str) -> None:
        """Let a job go on."""
        (self.gates / role).touch()

    def healthy_worker(self) -> None:
        """A worker whose only slot is taken: it buries dead ones, and the target cannot come to it."""
        self.start(1)
        self.begin("far", "plain")

    def faulty_worker(self) -> Supervisor:
        """The worker that meets the fault, with a healthy job in one slot and another one free."""
        # A worker prunes, too, and might meet what is meant for the command.
        worker = self.start(2, at_fault=self.cell.point.operation != "prune")
        self.begin("near", "plain")
        return worker

    def command(self, *words: str, at_fault: bool = False) -> subprocess.Popen[str]:
        """Start a command."""
        environ = {**self.home.environ, **({VARIABLE: self.rule} if at_fault else {})}
        return subprocess.Popen(
            [sys.executable, str(AGENTS), *words], cwd=self.home.root, env=environ, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def must(self, *words: str) -> None:
        """Run a command that has to end with 0."""
        command = self.command(*words)
        out, err = command.communicate(timeout=60 * PATIENCE)
        assert command.returncode == 0, f"agents {' '.join(words)}: exit {command.returncode}\n{out}{err}"

    def outcome(self, command: subprocess.Popen[str]) -> str:
        """What a command has printed that was held up, and so has to succeed, or that was refused, and has to say so."""
        out, err = command.communicate(timeout=60 * PATIENCE)
        if self.cell.fault in ("stop", "delay"):
            assert command.returncode == 0, f"exit {command.returncode}: {out}{err}"
        if self.cell.fault in ("busy", "full", "enospc"):
            assert "Traceback" not in out + err, out + err
        return out

    # -- the fault ----------------------------------------------------------------------------------

    def arm(self) -> None:
        """From now on whoever reaches the point first meets the fault."""
        self.token.touch()

    def struck(self) -> int:
        """The pid of the process that met the fault; waits for that."""
        taken = self.token.with_name("token.taken")
        eventually(lambda: taken.exists() and taken.read_text().endswith("\n"), 20, "the point is reached")
        return int(taken.read_text())

    def strike(self, worker: Supervisor | subprocess.Popen[str] | None = None) -> None:
        """Wait for the fault, and do what this process has to do for it. *worker* is the one at fault."""
        pid = self.struck()
        fault = self.cell.fault
        # An exception in a supervisor may be caught; the others have nobody who would.
        if fault == "kill" or (fault == "error" and self.cell.point.actor in (Actor.SPAWNER, Actor.JOB)):
            eventually(lambda: not _lives(pid), 10, "the struck process is dead")
        elif fault in ("stop", "stop long", *SEVERAL):
            eventually(lambda: state(pid) in ("T", "Z", None), 10, "the struck process is stopped")
            if fault.startswith("stop"):
                self._hold(worker)
                _signal(pid, signal.SIGCONT)
            else:
                assert worker is not None
                # Time for the others to go on without it, as they may until it is dead.
                time.sleep(HELD / 2)
                self.processes()
                self._kill_together(pid, worker)

    def _hold(self, worker: Supervisor | subprocess.Popen[str] | None) -> None:
        if self.cell.fault == "stop":
            time.sleep(HELD)  # being stopped for so long is the fault itself
            return
        assert worker is not None
        eventually(
            lambda: self.home.sql("SELECT ended_at FROM workers WHERE pid = ?", worker.pid)[0][0],
            30, "the stopped worker is declared lost",
        )  # fmt: skip

    def _kill_together(self, struck: int, worker: Supervisor | subprocess.Popen[str]) -> None:
        """In one instant: all are stopped first, so that none sees another one die."""
        spawner = self._spawner_of(worker.pid)
        pids = [struck] if self.cell.fault == "kill with job" else [worker.pid, spawner]
        if self.cell.fault != "kill both":
            # Its process may not be in its row yet.
            near = [job.pid for job in self.client.list() if job.job_id == self.jobs.get("near")]
            pids += [pid for pid in children(spawner) if pid not in near]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                _signal(pid, number)
        if worker.pid in pids:
            (worker.process if isinstance(worker, Supervisor) else worker).wait(20)
        else:
            eventually(lambda: not _lives(struck), 10, "the struck process is dead")

    def _spawner_of(self, worker: int) -> int:
        ((pid,),) = self.home.sql(
            "SELECT spawner_pid FROM workers WHERE pid = ? ORDER BY worker_id DESC LIMIT 1", worker
        )
        assert isinstance(pid, int)
        return pid

    # -- what jobs have started ---------------------------------------------------------------------

    def processes(self) -> dict[str, list[Process]]:
        """By job id: every process that it has said it started. Looked at often: a start time dies with its process."""
        for file in self.pids.iterdir():
            if file.suffix != ".part" and file.name not in self.seen:
                self.seen[file.name] = [
                    Process(int(pid), start_ticks(int(pid))) for pid in file.read_text().split()
                ]
        return self.seen

    # -- the end ------------------------------------------------------------------------------------

    def close(self) -> None:
        """End everything that is left and remove the folder."""
        for worker in self.workers:
            worker.end()
        if hasattr(self, "client"):
            self.client.close()
        self.home.remove()


def _lives(pid: int) -> bool:
    return state(pid) not in ("Z", None)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
