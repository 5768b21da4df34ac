"""Somebody at a terminal: runs ``agents`` and reads what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentsd.model import JSON
from support.home import Home
from support.patience import PATIENCE

AGENTS = Path(sys.executable).with_name("agents")
"""The installed command that belongs to the interpreter running the tests."""


@dataclass(frozen=True)
class Answer:
    """What one command said and how it ended."""

    command: str
    exit_code: int
    stdout: str
    stderr: str

    @property
    def envelope(self) -> dict[str, Any]:
        """The whole JSON envelope."""
        return json.loads(self.stdout)

    @property
    def data(self) -> JSON:
        """The envelope's ``data``, of a command that must have worked."""
        assert self.exit_code == 0, str(self)
        return self.envelope["data"]

    @property
    def messages(self) -> str:
        """What the command told a person, wherever the format in use puts it."""
        if not self.stdout.startswith("{"):
            return self.stderr
        return "\n".join([self.stderr, *(message["text"] for message in self.envelope["messages"])])

    def __str__(self) -> str:
        return f"`{self.command}` exited {self.exit_code}\nstdout: {self.stdout}\nstderr: {self.stderr}"


class Operator:
    """Runs commands in one :class:`Home`."""

    def __init__(self, home: Home, directory: Path | None = None) -> None:
        self.home = home
        self.directory = directory or home.root

    def run(self, *words: str, stdin: str | None = None, seconds: float = 60) -> Answer:
        """Run ``agents WORDS`` to its end; a command that takes longer than *seconds* is a failure."""
        ended = subprocess.run(
            [str(AGENTS), *words],
            cwd=self.directory,
            env=self.home.environ,
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=seconds * PATIENCE,
            check=False,
        )
        return Answer(" ".join(("agents", *words)), ended.returncode, ended.stdout, ended.stderr)

    def ask(self, *words: str, seconds: float = 60) -> Answer:
        """The same with ``--format json``."""
        return self.run(*words, "--format", "json", seconds=seconds)

    def enqueue(self, phase: str, payload: object = None, *options: str) -> str:
        """Enqueue a job and return its id."""
        words = ("job", "enqueue", phase, "--payload", json.dumps(payload), *options)
        return self.ask(*words).data["job_id"]

    def job(self, job_id: str) -> dict[str, Any]:
        """The job object as ``agents job show`` gives it."""
        return self.ask("job", "show", job_id).data
