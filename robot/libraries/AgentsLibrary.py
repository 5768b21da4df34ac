"""Keywords over the drivers of ``features/support``: the installed ``agents`` command, end to end."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.operator import AGENTS
from support.patience import eventually
from support.processes import become_subreaper, nothing_left_behind
from support.terminal import Terminal
from support.world import World


class AgentsLibrary:
    """One home, one operator and at most one terminal in a test."""

    ROBOT_LIBRARY_SCOPE = "TEST"

    def __init__(self) -> None:
        become_subreaper()

    def open_a_new_home(self) -> None:
        """Make an empty state directory, configuration and temporary directory."""
        self.leftovers = ExitStack()
        self.leftovers.enter_context(nothing_left_behind())
        self.world = World()
        self.terminals: list[Terminal] = []
        self.temporary = self.world.home.root / "tmp"
        self.temporary.mkdir()
        self.world.home.environ["TMPDIR"] = str(self.temporary)

    def close_the_home(self) -> None:
        """End what runs, and fail if any process is left after that."""
        try:
            for terminal in self.terminals:
                terminal.end()
            self.world.close()
            self.leftovers.close()
        finally:
            self.world.home.remove()

    def set_option(self, key: str, value: str) -> None:
        """Set a configuration key for everything started from now on."""
        self.world.home.set(key, value)

    def run_agents(self, *words: str, exit_code: int = 0, at_most: float = 60) -> str:
        """Run a command; its exit code has to be *exit_code*. Returns what it printed."""
        begun = time.monotonic()
        answer = self.world.operator.run(*words, seconds=at_most)
        print(answer, f"after {time.monotonic() - begun:.2f} s")
        assert answer.exit_code == exit_code, str(answer)
        return answer.stdout

    def ask_agents(self, *words: str, exit_code: int = 0) -> Any:
        """Run a command with ``--format json`` and return its data."""
        answer = self.world.operator.ask(*words)
        print(answer)
        assert answer.exit_code == exit_code, str(answer)
        return answer.envelope["data"]

    def open_terminal(self, *words: str) -> None:
        """Start ``agents WORDS`` in a terminal of its own."""
        command = [str(AGENTS), *words]
        home = self.world.home
        self.terminals.append(Terminal(command, home.environ, self.world.operator.directory))

    def start_worker_in_terminal(self, *options: str) -> None:
        """Start a worker in a terminal and wait until it takes jobs."""
        self.open_terminal("worker", "start", *options)
        eventually(self._a_worker_is_live, 20, lambda: f"the worker is ready:\n{self.terminals[-1].screen}")

    def _a_worker_is_live(self) -> bool:
        if not self.world.home.state.database.exists():
            return False
        with self.world.home.connect() as client:
            return any(worker.spawner_pid for worker in client.live_workers())

    def press_control_c(self) -> None:
        """Press Ctrl-C in the terminal."""
        self.terminals[-1].press_control_c()

    def close_terminal(self) -> None:
        """Close the terminal's window."""
        self.terminals[-1].close()

    def terminal_should_show(self, text: str, within: float) -> None:
        """Wait until *text* is on the terminal."""
        self.terminals[-1].wait_for_text(text, within)

    def terminal_should_end(self, exit_code: int, within: float) -> None:
        """Wait until the command in the terminal has ended with *exit_code*."""
        terminal = self.terminals[-1]
        code = terminal.wait(within)
        assert code == exit_code, f"exited {code}; seen:\n{terminal.screen}"

    def start_job_that_waits(self) -> str:
        """Enqueue a job that runs until the gate is opened; returns its id once it runs."""
        entered = self.world.home.root / "entered"
        self.world.enqueue("gate", {"gate": str(self.world.gate), "entered": str(entered)})
        eventually(entered.exists, 10, "the job runs")
        return self.world.job_id

    def start_job_with_stubborn_processes(self) -> str:
        """Enqueue a job whose processes ignore SIGTERM; returns its id once all of them run."""
        self.world.run_job_with_tree("stubborn")
        return self.world.job_id

    def open_gate(self) -> None:
        """Let the waiting job finish."""
        self.world.gate.touch()

    def make_project_with_plan(self) -> str:
        """Make a git project with a plan, create the plan and return its id."""
        self.world.make_plan()
        return self.world.plan_id

    def project_file_should_be(self, name: str, content: str) -> None:
        """Compare a file of the project."""
        found = (self.world.operator.directory / name).read_text().strip()
        assert found == content, f"{name} is {found!r}"

    def job_should_have_ended(self, status: str, reason: str, within: float = 10) -> None:
        """Wait until the job has *status*; its reason has to be *reason*."""
        job = self.world.wait_for(status, within)
        assert job["reason"] == reason, str(job)

    def no_process_of_the_job_should_be_left(self) -> None:
        """Look for every process that the job started."""
        left = self.world.living_job_processes
        assert not left, f"alive: {left}"

    def temporary_directory_should_be_empty(self) -> None:
        """Look for anything that a command left on disk."""
        left = [str(path.relative_to(self.temporary)) for path in Path(self.temporary).rglob("*")]
        assert not left, f"left on disk: {left}"
