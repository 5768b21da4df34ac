"""The tutorial is followed from top to bottom, and everything it shows is what is seen."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.home import Home
from support.operator import AGENTS
from support.pages import Block, Shell, blocks, follow, plain
from support.patience import eventually
from support.supervisor import Supervisor

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "first_plan.md"
ELSEWHERE = "<!-- the tests run the next block in a terminal of its own -->"


@pytest.fixture
def shell(home: Home) -> Iterator[Shell]:
    """The terminal of somebody who begins with nothing."""
    home.environ["PATH"] = f"{AGENTS.parent}{os.pathsep}{home.environ['PATH']}"
    home.environ["LC_ALL"] = "C.UTF-8"
    made = Shell(home.root, home.environ)
    yield made
    made.close()


class AtTerminal(Supervisor):
    """A worker that somebody starts at a terminal; what appears there is kept."""

    def launch(self) -> Supervisor:
        """Start it with a terminal of its own as its output."""
        ours, theirs = pty.openpty()
        command = [str(AGENTS), "worker", "start", *self.options]
        self._process = subprocess.Popen(
            command, env=self.home.environ, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        threading.Thread(target=self._read, args=(ours,)).start()
        return self

    def _read(self, terminal: int) -> None:
        with (
            self.log.open("ab", buffering=0) as log,
            contextlib.suppress(OSError),
        ):  # EIO: the other end is closed
            while data := os.read(terminal, 4096):
                log.write(data)
        os.close(terminal)


def follow_elsewhere(home: Home, block: Block) -> Supervisor:
    """Start the worker of a second terminal; it says what stands there."""
    ((command, expected),) = block.commands()
    supervisor = AtTerminal(home, *command.removeprefix("agents worker start").split())
    supervisor.log.touch()
    supervisor.start()
    eventually(lambda: plain(supervisor.said).startswith(plain(expected)), 10, lambda: supervisor.said)
    return supervisor


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pgrep") is None, reason="pgrep is not installed")
def test_the_tutorial_works_as_written(home: Home, shell: Shell) -> None:
    """Every file is written, every command typed, every output compared; the worker has ended at the end."""
    supervisor = None
    followed = 0
    try:
        for block in blocks(PAGE):
            if block.file_name is not None:
                Path(shell.type("pwd").strip(), block.file_name).write_text(block.body)
            elif block.before == ELSEWHERE:
                supervisor = follow_elsewhere(home, block)
            else:
                follow(shell, block)
                followed += len(list(block.commands()))
        assert supervisor is not None
        assert supervisor.process.wait(20) == 0
    finally:
        if supervisor is not None:
            supervisor.end()
    assert followed > 30
    assert [path.name for path in home.root.glob("demo")] == []


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("01M86TWB1ZEKQV9CZ732Q8W7AK  cancelled  after 1.97 s\n", True),
        ("01M86TWB1ZEKQV9CZ732Q8W7AK failed after 1.97 s\n", False),
        ("01M86TWB1ZEKQV9CZ732Q8W7AK cancelled after 1.97 s\nand more\n", False),
    ],
)
def test_only_what_differs_from_run_to_run_is_not_compared(said: str, same: bool) -> None:
    """The test above can fail."""
    shown = "01M86TW5CX3QCY4YQSKY47RN1G cancelled after 0.2 s\n"

    assert (plain(said) == plain(shown)) == same


def test_an_output_that_is_not_what_stands_there_is_noticed(shell: Shell) -> None:
    """And one that is missing, and a command that fails."""
    follow(shell, Block("console", "$ x=5\n$ echo $x\n5\n$ false\n$ echo $?\n1\n", ""))
    for wrong in ("$ echo 6\n5\n", "$ echo 5\n", "$ ls /nowhere\n"):
        with pytest.raises(AssertionError):
            follow(shell, Block("console", wrong, ""))
