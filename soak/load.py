"""What is queued: jobs of every kind, each with a token whose effects are counted from outside."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.home import Home

from agentsd import Client
from agentsd.cli.plan.create import row_of
from agentsd.errors import StoreBusyError
from agentsd.model import Phase
from agentsd.plans.file import load_plan
from agentsd.store import plans
from agentsd.store.ids import new_id

PLAN = """\
name: soak
steps:
  - {name: write, write: {path: "notes/{0}.txt", content: "{0}\\n"}}
  - {name: work, run: "(setsid sleep 300 &) ; git status --short; echo {0} >> all.txt"}
"""
_ACTIVE = "SELECT count(*) FROM async_jobs WHERE status IN ('queued', 'running')"
QUEUE = 12
"""Jobs that wait or run at once."""


@dataclass
class Load:
    """Queues jobs, and remembers every one that was acknowledged."""

    client: Client
    home: Home
    chance: random.Random
    accepted: dict[str, str] = field(default_factory=dict[str, str])
    """The token of each acknowledged job, by its id."""

    def __post_init__(self) -> None:
        self.effects = self.home.root / "effects"
        self.effects.touch()
        self.project = _make_project(self.home)
        self._number = 0

    def fill(self) -> None:
        """Queue jobs until there are enough that have not ended."""
        ((active,),) = self.client.db.read(_ACTIVE)
        # A supervisor that is stopped in a transaction keeps others from writing: then nothing is acknowledged.
        with suppress(StoreBusyError):
            for _ in range(max(0, QUEUE - active)):
                self.chance.choice(KINDS)(self)

    def warm_up(self) -> None:
        """Use every slot of both supervisors once: what is opened lazily is open before anything is compared."""
        ids = [self.put("sleep", {"seconds": 0.3}) for _ in range(3 * QUEUE)] + [
            self.put("tree", {"then": "return"})
        ]
        for job_id in ids:
            self.client.wait(job_id, timeout=60)

    def put(self, phase: str, payload: object = None, *, timeout: float = 20.0) -> str:
        """Queue one job of a phase."""
        job = self.client.enqueue(phase, payload=payload, timeout=timeout, priority=self.chance.randrange(3))
        self.accepted[job.job_id] = ""
        return job.job_id

    def put_effect(self) -> None:
        """A job whose only work is to append its token to a file."""
        self._number += 1
        token = f"token-{self._number}"
        argv = ["sh", "-c", f"echo {token} >> {self.effects}"]
        self.accepted[self.put("tool", {"argv": argv})] = token

    def put_plan(self) -> None:
        """Execute a new plan of the project in the background."""
        self._number += 1
        file = self.home.root / "plan.yaml"
        file.write_text(PLAN.replace("{0}", f"n{self._number}"))
        plan_id = _create_plan(self.client, file, self.project)
        job = self.client.enqueue_plan(plan_id, Phase.EXECUTE)
        self.accepted[job.job_id] = ""


def _create_plan(client: Client, file: Path, project: Path) -> str:
    """What ``agents plan create`` does, in this process."""
    row = row_of(load_plan(file, project), new_id())
    plans.create(client.db, row)
    return row.plan_id


def _make_project(home: Home) -> Path:
    project = home.root / "project"
    project.mkdir()
    (project / "README").write_text("soak\n")
    who = ("-c", "user.name=Soak", "-c", "user.email=soak@example.org")
    for words in (("init", "-q", "-b", "main"), ("add", "."), (*who, "commit", "-q", "-m", "Begin")):
        subprocess.run(("git", *words), cwd=project, env=home.environ, check=True)
    return project


KINDS: tuple[Callable[[Load], object], ...] = (
    Load.put_effect, Load.put_effect, Load.put_effect,
    lambda load: load.put("noop"),
    lambda load: load.put("echo", {"words": "ü" * 100}),
    lambda load: load.put("chatty", {"lines": 2000}),
    lambda load: load.put("big-result", {"bytes": 300_000}),
    lambda load: load.put("raise"),
    lambda load: load.put("crash"),
    lambda load: load.put("tree", {"then": "return"}),
    lambda load: load.put("tree", {"then": "hold"}, timeout=load.chance.uniform(0.5, 4)),
    lambda load: load.put("tree", {"then": "stubborn"}, timeout=load.chance.uniform(0.5, 2)),
    lambda load: load.put("ignore-term", timeout=load.chance.uniform(0.5, 2)),
    lambda load: load.put("hang-native", timeout=load.chance.uniform(0.5, 1.5)),
    lambda load: load.put("sleep", {"seconds": load.chance.uniform(0, 1)}),
    Load.put_plan,
)  # fmt: skip
