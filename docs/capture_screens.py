"""Write ``docs/guides/screens.md``: real screens of 80 columns, captured from a terminal (tmux) while a worker runs.

    python docs/capture_screens.py

Ids and times differ from run to run, so no test compares the page; one sees that this program works.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = Path(__file__).parent / "guides" / "screens.md"
AGENTS = Path(sys.executable).with_name("agents")
WIDTH, HEIGHT = "80", "42"
PATIENCE = 60.0
"""Seconds that anything may take."""

INTRODUCTION = """\
# What it looks like

<!-- Written by docs/capture_screens.py -->

Captured from a terminal of 80 columns while a worker ran the plans.
"""
PLANS = {
    "tidy": 'name: tidy\\nsteps:\\n  - {name: rewrite, run: "echo better > notes.txt"}\\n  - {name: check, run: "grep better notes.txt"}\\n',
    "broken": 'name: broken\\nsteps:\\n  - {name: build, run: "echo building"}\\n  - {name: test, run: "echo 1 test failed; exit 3"}\\n',
    "long": 'name: long\\nsteps:\\n  - {name: think, run: "echo thinking; sleep 600 & sleep 600"}\\n',
}  # fmt: skip


class Stage:
    """A home of its own, a project, and a terminal."""

    def __init__(self, root: Path) -> None:
        self.root, self.project = root, root / "project"
        self.project.mkdir()
        given = {name: value for name, value in os.environ.items() if not name.startswith("AGENTS_")}
        own = {"AGENTS_STATE_DIR": str(root / "state"), "AGENTS_CONFIG": str(root / "config.toml")}
        self.environ = {**given, **own, "AGENTS_ASYNC_ENABLED": "true", "AGENTS_ASYNC_CANCEL_GRACE": "1"}
        self.environ |= {"HOME": str(root), "TERM": "xterm-256color", "SHELL": "/bin/sh", "LC_ALL": "C.UTF-8"}
        self.run("git", "init", "-q", "-b", "main")
        (self.project / "notes.txt").write_text("good\n")
        self.run("git", "add", ".")
        self.run(
            "git", "-c", "user.name=You", "-c", "user.email=you@example.org", "commit", "-q", "-m", "Begin"
        )
        # A session that stays: with its last session the server ends, just when the next one would begin.
        self.tmux("new-session", "-d", "-s", "stay", "read stay")

    def run(self, *words: str) -> str:
        """Run a program in the project; what it prints."""
        done = subprocess.run(  # noqa: S603 - our own words
            words, cwd=self.project, env=self.environ, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout.strip()

    def agents(self, *words: str) -> str:
        """Run agents."""
        return self.run(str(AGENTS), *words)

    def start_plan(self, name: str) -> tuple[str, str]:
        """Create and queue one of the plans; its id and that of its job."""
        (self.root / f"{name}.yaml").write_text(PLANS[name].encode().decode("unicode_escape"))
        plan = self.agents("plan", "create", str(self.root / f"{name}.yaml"))
        return plan, self.agents("plan", "execute", plan)

    def tmux(self, *words: str) -> str:
        """Run one command of tmux."""
        return self.run("tmux", "-S", str(self.root / "tmux"), "-f", "/dev/null", *words)

    def screen(self, *words: str) -> str:
        """The screen after ``agents WORDS`` has ended."""
        done = self.root / "done"
        done.unlink(missing_ok=True)
        shell = f"{AGENTS} {' '.join(words)}; touch {done}; read stay"
        self.tmux("new-session", "-d", "-s", "screen", "-x", WIDTH, "-y", HEIGHT, shell)
        wait_for(done.exists, f"agents {' '.join(words)}")
        return self.captured()

    def captured(self) -> str:
        """What the terminal shows, and its end."""
        text = self.tmux("capture-pane", "-t", "screen", "-p")
        self.tmux("kill-session", "-t", "screen")
        return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def wait_for(look: Callable[[], object], what: str) -> None:
    """Wait until *look* says so. Raises TimeoutError naming *what*."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)  # a poll with a deadline: a screen of tmux sends no event


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage with a worker, which is stopped at the end, and so is everything else."""
    with tempfile.TemporaryDirectory(prefix="agents-screens-") as place:
        made = Stage(Path(place))
        worker = subprocess.Popen(  # noqa: S603 - our own words
            [AGENTS, "worker", "start"], cwd=place, env=made.environ, stderr=subprocess.DEVNULL
        )
        try:
            yield made
        finally:
            made.tmux("kill-server")
            made.agents("job", "cancel", "--all", "--wait")
            worker.terminate()
            worker.wait(PATIENCE)


def top(made: Stage, job: str) -> str:
    """The live screen, as soon as it shows *job*."""
    made.tmux("new-session", "-d", "-s", "screen", "-x", WIDTH, "-y", HEIGHT, f"{AGENTS} top --every 0.5")
    wait_for(lambda: job[-8:] in made.tmux("capture-pane", "-t", "screen", "-p"), "agents top")
    return made.captured()


def captures() -> Iterator[tuple[str, str]]:
    """Each command and its screen."""
    with stage() as made:
        plan, job = made.start_plan("tidy")
        made.agents("job", "wait", job)
        _, failed = made.start_plan("broken")
        wait_for(
            lambda: '"status": "failed"' in made.agents("job", "show", failed, "--format", "json"),
            "a failure",
        )
        _, running = made.start_plan("long")
        wait_for(
            lambda: "thinking" in made.agents("job", "logs", running, "--format", "json"), "a job that runs"
        )
        for words in (
            ("job", "list"), ("plan", "status", plan), ("plan", "diff", plan), ("job", "explain", failed),
            ("job", "show", failed), ("job", "logs", job, failed), ("worker", "list"),
        ):  # fmt: skip
            yield " ".join(("agents", *words)), made.screen(*words)
        yield "agents top", top(made, running)
        for words in (
            ("job", "explain", running), ("job", "cancel", running, "--wait", "--reason", "enough"),
            ("job", "show", running),
        ):  # fmt: skip
            yield " ".join(("agents", *words)), made.screen(*words)


def main() -> None:
    """Write the page, or the file that is named."""
    parts = [INTRODUCTION]
    parts += [f"```console\n$ {command}\n{screen}\n```\n" for command, screen in captures()]
    (Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE).write_text("\n".join(parts))


if __name__ == "__main__":
    main()
