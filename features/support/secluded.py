"""A supervisor in namespaces of its own, as in a container: out here its pid, or its clock, means nothing."""

from __future__ import annotations

import os
import signal
import subprocess

import psutil
import pytest

from agentsd.model import Worker
from agentsd.workers.identity import pid_namespace
from support.home import Home
from support.processes import of_jobs
from support.supervisor import Supervisor

OWN_PIDS = ("--pid", "--mount-proc")
OWN_CLOCK = ("--time", "--boottime", "100000")


def may_unshare(*namespaces: str) -> None:
    """Skip where the kernel, or whoever runs the tests, has no such namespaces."""
    tried = subprocess.run(
        ("unshare", *namespaces, "--fork", "true"), capture_output=True, text=True, check=False
    )
    if tried.returncode:
        # Only the kernel makes namespaces, and it lets not everybody; the reason is printed (-ra).
        pytest.skip(f"unshare {' '.join(namespaces)}: {tried.stderr.strip()}")


class SecludedSupervisor(Supervisor):
    """One that ``unshare`` starts in new *namespaces*."""

    def __init__(self, home: Home, namespaces: tuple[str, ...]) -> None:
        super().__init__(home)
        self.prefix = ("unshare", *namespaces, "--fork", "--kill-child")

    @property
    def pid(self) -> int:
        """Its pid out here."""
        return psutil.Process(self.process.pid).children()[0].pid

    def find_row(self) -> Worker | None:
        """The row of the one that is not where we are."""
        with self.home.connect() as client:
            rows = [row for row in client.live_workers() if row.pid_namespace != pid_namespace()]
        return rows[0] if rows and rows[0].spawner_pid else None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; ``unshare`` itself hears none."""
        os.kill(self.pid, number)

    def job_processes_outside(self) -> list[psutil.Process]:
        """The processes of its jobs, by their pids out here."""
        return of_jobs(below for child in psutil.Process(self.pid).children() for below in child.children())
