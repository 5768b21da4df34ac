"""A real ``agents worker start``, which can be frozen, killed, and stopped as an operator would."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil

from agentsd.model import Worker
from agentsd.store.settings import load_settings
from support.home import Home
from support.operator import AGENTS
from support.patience import PATIENCE, eventually
from support.processes import of_jobs

STANDBYS = load_settings({}, Path(os.devnull)).standbys
"""How many processes stand by in a worker, unless its configuration says otherwise."""


class Supervisor:
    """One supervisor process. Its output is kept in a file, for the message of a test that fails."""

    prefix: tuple[str, ...] = ()
    """What runs the command, as ``unshare`` does."""

    def __init__(self, home: Home, *options: str, own_session: bool = False) -> None:
        self.home = home
        self.own_session = own_session
        self.options = options
        self.log = home.root / f"supervisor-{len(list(home.root.glob('supervisor-*.log')))}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The started process."""
        assert self._process is not None, "the supervisor was not started"
        return self._process

    @property
    def pid(self) -> int:
        """Its pid."""
        return self.process.pid

    def start(self, seconds: float = 20) -> Supervisor:
        """Start it and return when its row in the table says that it takes jobs."""
        self.launch()
        eventually(self._is_ready, seconds, lambda: f"the supervisor is ready; it said:\n{self.said}")
        return self

    def launch(self) -> Supervisor:
        """Start it without waiting for anything."""
        command = [*self.prefix, str(AGENTS), "worker", "start", *self.options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=self.home.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=self.own_session,
            )
        return self

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the supervisor exited {self.process.returncode}; it said:\n{self.said}")
        return self.find_row() is not None

    def find_row(self) -> Worker | None:
        """Its row in the table of workers, once there is one that takes jobs."""
        if not self.home.state.database.exists():
            return None
        with self.home.connect() as client:
            rows = [row for row in client.live_workers() if row.pid == self.pid]
        return rows[0] if rows and rows[0].spawner_pid else None

    @property
    def row(self) -> Worker:
        """Its row in the table of workers."""
        row = self.find_row()
        assert row is not None, f"no live worker has pid {self.pid}; it said:\n{self.said}"
        return row

    @property
    def spawner_pid(self) -> int:
        """The pid of its spawner."""
        pid = self.row.spawner_pid
        assert pid is not None
        return pid

    @property
    def said(self) -> str:
        """Everything that it wrote."""
        return Path(self.log).read_text(errors="replace")

    def freeze(self) -> None:
        """SIGSTOP it; the spawner goes on."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT it."""
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL it and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def kill_with_spawner(self) -> None:
        """SIGKILL it and its spawner in one instant: both are stopped first, so neither sees it coming."""
        pids = (self.pid, self.spawner_pid)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                os.kill(pid, number)
        self.process.wait()

    def stop(self, seconds: float = 20) -> int:
        """Stop it gracefully and return its exit code; one that does not stop in time is killed."""
        if self.process.poll() is None:
            self.thaw()
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"not stopped within {seconds:g} s; it said:\n{self.said}") from None

    def end(self, seconds: float = 10) -> None:
        """End it if it is alive, for cleaning up: one stage of stopping after the other, and at last KILL.

        Not KILL at once, because what coverage has measured in it is written when it exits.
        """
        if self._process is None or self._process.poll() is not None:
            return
        self.thaw()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.signal(signal.SIGTERM)  # each is one stage more; the third kills the jobs
            try:
                self.process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
            return
        self.kill()

    def job_processes(self) -> list[psutil.Process]:
        """The processes of its jobs, without those that stand by."""
        return of_jobs(psutil.Process(self.spawner_pid).children())
