"""Somebody who follows a page of the documentation: types what stands after a prompt, and compares what comes."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from support.patience import PATIENCE

FENCE = re.compile(
    r"(?P<before>[^\n]*)\n\n?(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<body>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)
NAMED = re.compile(r"`([\w./-]+\.\w+)`[^`]*:$")
VARYING = (
    (re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b"), "ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    # A worker on a terminal has the date on a line of its own, and only the time in each line.
    (re.compile(r"^\d{4}-\d\d-\d\d, times are UTC\n\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "CLOCK"),
    (re.compile(r"\b\d+(\.\d+)? ?(s|ms|m)\b"), "SPAN"),
    (re.compile(r"\b\d+\.\d MiB"), "SIZE"),
    (re.compile(r"\bpid \d+"), "pid NUMBER"),
    (re.compile(r"\b[\w-]+@[\w.-]+:"), "USER@HOST:"),
    (re.compile(r"\S+/(?=config\.toml)"), "…/"),
    (re.compile(r"[ \t]+"), " "),
)
"""What differs from run to run, and what stands in its place when two texts are compared."""
LOOKS = re.compile(r"^(agents (job|plan|worker) (list|status|explain|logs|show)|pgrep)\b")
"""Commands that may be typed again: whoever looks a moment too early looks again."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line above it."""

    language: str
    body: str
    before: str

    @property
    def file_name(self) -> str | None:
        """The file that the line above says it is: "Write `plan.yaml`:"."""
        found = NAMED.search(self.before)
        return found[1] if found else None

    def commands(self) -> Iterator[tuple[str, str]]:
        """Each command of a console block, and the output that stands below it."""
        for part in re.split(r"^\$ ", self.body, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(page: Path) -> list[Block]:
    """Every fenced block of *page*, from top to bottom."""
    found = FENCE.finditer(page.read_text())
    return [
        Block(
            each["language"],
            re.sub(rf"^{each['indent']}", "", each["body"], flags=re.MULTILINE),
            each["before"],
        )
        for each in found
    ]


def plain(text: str) -> str:
    """*text* without what differs from run to run."""
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


class Shell:
    """One bash in which a page is followed, so that variables and the directory stay."""

    END = "end-of-output"

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=directory, env=dict(environ), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._tell("status=0")

    def _tell(self, line: str) -> None:
        cast("IO[str]", self._process.stdin).write(f"{line}\n")
        cast("IO[str]", self._process.stdin).flush()

    def type(self, command: str) -> str:
        """Run *command* with nothing to read; return what it and its errors said."""
        self._tell(f"(exit $status); {{ {command}\n}} < /dev/null; status=$?; echo {self.END}")
        said: list[str] = []
        for line in cast("IO[str]", self._process.stdout):
            if line.endswith(f"{self.END}\n"):
                said.append(line.removesuffix(f"{self.END}\n"))
                return "".join(said)
            said.append(line)
        raise AssertionError(f"the shell ended at: {command}\n{''.join(said)}")

    def close(self) -> None:
        """Leave it."""
        cast("IO[str]", self._process.stdin).close()
        self._process.wait(10 * PATIENCE)
        cast("IO[str]", self._process.stdout).close()


def follow(shell: Shell, block: Block) -> None:
    """Type every command of *block*; AssertionError for the first whose output is not what stands there."""
    for command, expected in block.commands():
        deadline = time.monotonic() + 20 * PATIENCE
        said = shell.type(command)
        while plain(said) != plain(expected) and LOOKS.match(command) and time.monotonic() < deadline:
            time.sleep(0.1)  # a poll with a deadline
            said = shell.type(command)
        assert plain(said) == plain(expected), f"$ {command}\n{said}"
