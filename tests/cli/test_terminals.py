"""Terminals as they are: 80 columns, none, without colour, without the characters."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd.cli.output import columns_of, shorten, table


class Tmux:
    """A terminal whose screen can be read."""

    def __init__(self, home: Home) -> None:
        self._socket, self._home = home.root / "tmux", home

    def __call__(self, *words: str) -> str:
        """Run one command of tmux; returns what it says."""
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *words]
        environ = {**self._home.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout

    def show(self, *words: str, columns: int = 80, escapes: bool = False) -> list[str]:
        """The lines on the screen after ``agents WORDS``, read when it has ended; with *escapes*, as they are painted."""
        done = self._home.root / "done"
        done.unlink(missing_ok=True)
        shell = f"{AGENTS} {shlex.join(words)}; echo $? > {done}.new; mv {done}.new {done}; read stay"
        self("new-session", "-d", "-s", "screen", "-x", str(columns), "-y", "40", shell)
        eventually(done.exists, 30, "the command has ended")
        how = ("-p", "-J", "-e") if escapes else ("-p", "-J")
        lines = self("capture-pane", "-t", "screen", *how).rstrip().splitlines()
        self("kill-session", "-t", "screen")
        return lines


@pytest.fixture
def tmux(home: Home) -> Iterator[Tmux]:
    """A terminal that can be read."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    terminal = Tmux(home)
    # A session that stays: with its last session the server ends, just when the next one would begin.
    terminal("new-session", "-d", "-s", "stay", "read stay")
    yield terminal
    subprocess.run(["tmux", "-S", str(home.root / "tmux"), "kill-server"], capture_output=True, check=False)


def test_lists_fit_80_columns(agents: Agents, home: Home, tmux: Tmux, project: Path) -> None:
    """No line is broken, and every id is whole: that is what one copies."""
    plan = agents("plan", "create", "plan.yaml").out.strip()
    first = agents.enqueue("noop")
    job = agents("job", "enqueue", "noop", "--after", first).out.strip()
    for words in (("job", "list"), ("plan", "list"), ("config", "list"), ("worker", "list", "--all")):
        lines = tmux.show(*words)
        # -J joins lines that the terminal had to break, so a broken one is longer than the screen.
        assert max(map(columns_of, lines), default=0) <= 80, (words, lines)
    assert any(line.startswith(job) for line in tmux.show("job", "list"))
    assert any(line.startswith(plan) for line in tmux.show("plan", "list"))


def run(home: Home, *words: str, **variables: str) -> str:
    """What the installed command prints into a pipe."""
    environ = {**home.environ, **variables}
    return subprocess.run([AGENTS, *words], env=environ, capture_output=True, text=True, check=False).stdout


def test_colour_is_for_terminals_unless_it_is_asked_for(agents: Agents, home: Home) -> None:
    """FORCE_COLOR paints into a pipe, NO_COLOR wins over it."""
    agents.enqueue("noop")

    assert "\x1b[" not in run(home, "job", "list")
    assert "\x1b[" in run(home, "job", "list", FORCE_COLOR="1")
    assert "\x1b[" not in run(home, "job", "list", FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b[" not in run(home, "job", "list", "--format", "json", FORCE_COLOR="1")


def test_a_pipe_has_no_width(agents: Agents, home: Home) -> None:
    """What is cut there is lost to the next program; COLUMNS cuts it all the same."""
    first = agents.enqueue("noop")
    agents("job", "enqueue", "noop", "--after", first)

    assert f"after {first}" in run(home, "job", "list")
    assert max(map(len, run(home, "job", "list", COLUMNS="70").splitlines())) <= 70


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_locale_without_utf_8_is_served(agents: Agents, home: Home, locale: str) -> None:
    """Characters that it does not have are replaced, and nothing fails."""
    agents.enqueue("noop")
    environ = {name: value for name, value in home.environ.items() if not name.startswith(("LC_", "LANG"))}
    environ |= {"LC_ALL": locale, "COLUMNS": "40", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = subprocess.run([AGENTS, "job", "list"], env=environ, capture_output=True, check=False)

    assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False)
    assert ended.stdout.isascii()
    assert b"?" in ended.stdout  # where the sign for what was cut off would be


def test_a_narrow_terminal_still_names_every_job(agents: Agents, home: Home, tmux: Tmux) -> None:
    """Of ids the end stays, enough of it to be taken as an id, also of the one that a job waits for."""
    first = agents.enqueue("noop")
    second = agents("job", "enqueue", "noop", "--after", first).out.strip()
    lines = tmux.show("job", "list", columns=60)

    assert max(map(columns_of, lines)) <= 60
    (waiting,) = [line.split() for line in lines if "after" in line]
    assert waiting[0].removeprefix("…") == second[-len(waiting[0]) + 1 :]
    assert agents("job", "show", waiting[4].removeprefix("…")).code == 0


def test_colour_paints_and_is_not_shown(agents: Agents, tmux: Tmux) -> None:
    """What a value says cannot steer the terminal, but what we paint does."""
    job_id = agents("job", "enqueue", "noop", "--hold").out.strip()
    agents("job", "cancel", job_id)
    lines = tmux.show("job", "show", job_id, escapes=True)

    (status,) = [line for line in lines if "cancelled_before_start" in line and "status" in line]
    assert "x1b" not in status
    assert "\x1b[33mcancelled\x1b[" in status


def test_long_values_are_broken_between_words(agents: Agents, tmux: Tmux) -> None:
    """And go on in their column."""
    job_id = agents("job", "enqueue", "noop", "--hold").out.strip()
    agents("job", "cancel", job_id, "--reason", "word " * 30)
    lines = tmux.show("job", "show", job_id)

    begin = next(number for number, line in enumerate(lines) if line.startswith("because"))
    indent = lines[begin].index("word")
    assert max(map(columns_of, lines)) <= 80
    assert lines[begin + 1].startswith(" " * indent + "word ")


@pytest.mark.parametrize("limit", range(28))
def test_a_shortened_id_keeps_its_end(limit: int) -> None:
    """Also behind other words, as long as enough of it is left; never wider than was asked for."""
    ident = "01M86TYGW1BSTY3FYQR6S5HX9A"

    assert columns_of(shorten(ident, limit)) <= max(1, limit)
    assert ident.endswith(shorten(ident, limit).removeprefix("…"))
    assert columns_of(shorten(f"after {ident}", limit)) <= max(1, limit)
    shown = shorten(f"after {ident}", limit)
    assert limit < 13 or ident.endswith(shown.removeprefix("after").lstrip(" …"))


def test_titles_of_processes_have_short_ids_on_a_terminal(
    agents: Agents, home: Home, worker: Supervisor, tmux: Tmux
) -> None:
    """What follows the id is what tells them apart; a pipe gets all of it."""
    job = agents.enqueue("sleep", {"seconds": 600})
    eventually(lambda: agents.ask("job", "show", job)["started_at"], 20, "it runs")

    assert f"agents job {job} sleep" in run(home, "diagnostics")
    assert any(f"agents job …{job[-8:]} sl" in line for line in tmux.show("diagnostics"))


def test_wide_characters_take_two_columns() -> None:
    """Tables stay straight, and what is cut fits."""
    assert (columns_of("日本"), columns_of("e\u0301"), columns_of("ab")) == (4, 1, 2)
    assert shorten("日本語", 5) == "日本…"
    lines = list(table(("NAME", "X"), [("日本", "1"), ("ab", "2")]))
    assert [columns_of(line) for line in lines] == [7, 7, 7]
