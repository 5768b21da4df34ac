"""Errors, help, formats and exit codes: what holds for every command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import click
import pytest
from support.agents import Agents, Said
from support.home import Home
from support.operator import AGENTS

from agentsd.cli import main
from agentsd.cli.framework import Command, LazyGroup
from agentsd.cli.main import cli


def every_command(group: LazyGroup = cli, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of each command."""
    found: list[tuple[str, ...]] = []
    for name in group.entries:
        command = group.get_command(click.Context(group), name)
        below = (*words, name)
        found += every_command(command, below) if isinstance(command, LazyGroup) else [below]
    return found


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_has_help_that_ends_in_examples(agents: Agents, words: tuple[str, ...]) -> None:
    """And takes --format."""
    said = agents(*words, "--help")

    assert said.code == 0
    assert "--format" in said.out
    last = said.out.rstrip().splitlines()[-1].strip()
    assert last.startswith(("agents ", '"$EDITOR" "$(agents', "make-list | agents")), last


@pytest.mark.parametrize("group", [(), ("plan",), ("job",), ("worker",), ("config",)], ids=" ".join)
def test_the_help_of_a_group_ends_in_examples_that_exist(agents: Agents, group: tuple[str, ...]) -> None:
    """Each of them is a command of the group, with options that it has."""
    lines = agents(*group, "--help").out.rstrip().splitlines()
    examples = [line.split()[1:] for line in lines[lines.index("Examples:") + 1 :]]

    assert len(examples) > 1
    for words in examples:
        assert words[: len(group)] == [*group]
        command, rest = cli, words
        while isinstance(command, LazyGroup):
            command, rest = command.get_command(click.Context(command), rest[0]), rest[1:]
        assert command is not None, words
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("-")} <= known


@pytest.mark.parametrize(
    "words", [(), *((name,) for name in cli.entries), ("job", "list"), ("plan", "apply")], ids=" ".join
)
def test_help_is_a_command_too(agents: Agents, words: tuple[str, ...]) -> None:
    """As with git and gh; it prints what --help prints, in every format."""
    asked = agents("help", *words)

    assert asked == agents(*words, "--help")
    assert (asked.code, asked.out.partition("[")[0]) == (0, " ".join(("Usage: agents", *words, "")))
    assert asked == agents("help", *words, "--format", "json")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("joob", "No such command 'joob'. Did you mean 'job'? Try 'agents --help'."),
        ("job lst", "No such command 'lst'. Did you mean 'list'? Try 'agents job --help'."),
        ("job list 01JABCDE", "'agents job list' has no command '01JABCDE'. Try 'agents job list --help'."),
    ],
)
def test_help_on_what_is_no_command(agents: Agents, words: str, said: str) -> None:
    """It is answered as the mistyped command itself is."""
    assert agents("help", *words.split()) == Said(2, "", f"Error: {said}\n")
    assert agents("help", *words.split(), "--format", "json").envelope["messages"][0]["text"] == said
    if "No such" in said:
        assert agents(*words.split()).err == f"Error: {said}\n"


def test_a_group_without_a_command_shows_its_help(agents: Agents) -> None:
    """On stderr, and exits with 2; a program gets an envelope."""
    said = agents("job")

    assert said.code == 2
    assert "Commands:" in said.err
    assert "enqueue" in said.err
    assert agents("job", "--format", "json").envelope["messages"][0]["text"].startswith("Missing command.")
    assert agents().code == 2


@pytest.mark.parametrize("words", [(), ("job",), ("job", "list"), ("demo",)])
def test_help_has_a_short_name(agents: Agents, words: tuple[str, ...]) -> None:
    """At every level."""
    said = agents(*words, "-h")

    assert said.out.startswith(f"Usage: {' '.join(('agents', *words))} ")
    assert said == agents(*words, "--help")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("jobs",), "Did you mean 'job'?"),
        (("job", "lst"), "Did you mean 'list'?"),
        (("job", "xyzzy"), "Known: enqueue, list"),
        (("job", "list", "--statu", "queued"), "--status"),
        (("job", "list", "--status", "queud"), "Did you mean 'queued'?"),
        (("job", "list", "--status", "xyzzy"), "'cancelled'. Try"),
        (("job", "list", "extra"), "unexpected extra argument (extra). Try '"),
        (("job", "show"), "Missing argument 'JOB'"),
        (("job", "wait", "x", "--timeout", "soon"), "expected seconds as a number"),
    ],
)
def test_wrong_usage_is_one_line_that_helps(agents: Agents, words: tuple[str, ...], hint: str) -> None:
    """It exits with 2, and as JSON it is an envelope without data on stdout."""
    said = agents(*words)

    assert (said.code, said.out) == (2, "")
    assert hint in said.err
    assert len(said.err.splitlines()) == 1
    envelope = agents(*words, "--format", "json").envelope
    assert (envelope["status"], envelope["exit_code"], envelope["data"]) == ("error", 2, None)
    assert hint in envelope["messages"][0]["text"]


def test_the_envelope_has_its_seven_parts(agents: Agents) -> None:
    """In the order of the contract."""
    envelope = agents("config", "path", "--format=json").envelope

    assert list(envelope) == ["command", "status", "exit_code", "data", "timing", "messages"]
    assert (envelope["command"], envelope["status"], envelope["exit_code"]) == ("config path", "ok", 0)
    assert list(envelope["timing"]) == ["started", "duration_ms"]
    assert len(envelope["timing"]["started"]) == len("2026-01-31T09:00:00.123456Z")


def test_the_format_may_stand_anywhere_or_in_the_environment(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option wins over the variable; a wrong variable is an error."""
    for words in (
        ("--format", "json", "config", "path"),
        ("config", "--format", "json", "path"),
        ("config", "path", "--format", "json"),
    ):
        assert agents(*words).envelope["status"] == "ok"
    monkeypatch.setenv("AGENTS_FORMAT", "jsonl")
    assert json.loads(agents("config", "path").out)["exists"] is False
    assert "command" in agents("config", "path", "--format", "json").envelope
    monkeypatch.setenv("AGENTS_FORMAT", "xml")
    said = agents("config", "path")
    assert said.code == 2
    assert "AGENTS_FORMAT: expected one of table, json, jsonl, got 'xml'" in said.err


def test_an_error_as_json_lines_is_one_line(agents: Agents) -> None:
    """A reader of lines can take it."""
    said = agents("job", "show", "0" * 26, "--format", "jsonl")

    assert said.code == 3
    assert json.loads(said.out)["exit_code"] == 3
    assert len(said.out.splitlines()) == 1


def test_an_unexpected_error_is_one_line_too(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    """With AGENTS_DEBUG it is a traceback, for whoever mends it."""

    def fail() -> None:
        raise ZeroDivisionError("a mistake\nof ours")

    monkeypatch.setattr("agentsd.cli.config.path.config_path", fail)
    said = agents("config", "path")

    assert said.code == 1
    assert said.err == "Error: ZeroDivisionError: a mistake of ours (AGENTS_DEBUG=1 shows where)\n"
    monkeypatch.setenv("AGENTS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        agents("config", "path")


def test_control_c_exits_with_130(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the command was doing."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agentsd.cli.config.path.config_path", interrupt)

    assert agents("config", "path").code == 130
    assert agents("config", "path", "--format", "json").envelope["exit_code"] == 130


def test_other_errors_of_click_are_input_errors() -> None:
    """A file that cannot be opened, say."""
    assert main.describe(click.FileError("x", "gone")) == ("Could not open file 'x': gone", 2)


def test_the_version_is_shown(agents: Agents) -> None:
    """As one line."""
    assert agents("--version").out.startswith("agents ")


def agents_process(home: Home, *words: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """The installed command, in a process of its own."""
    return subprocess.run([AGENTS, *words], env={**home.environ, **more}, capture_output=True, check=False)


def test_a_reader_that_has_enough_ends_it_quietly(home: Home) -> None:
    """`agents … | head -1` says nothing about pipes."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        for words in (("config", "list"), ("job", "show", "nope", "--format", "json"), ("--help",)):
            ended = subprocess.run(
                [AGENTS, *words], env=home.environ, stdout=closed, stderr=subprocess.PIPE, check=False
            )
            assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_full_disk_is_an_error(home: Home) -> None:
    """What could not be written was not said."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [AGENTS, "config", "list"], env=home.environ, stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert ended.returncode == 1
    assert b"No space left" in ended.stderr


def test_a_locale_without_the_characters_gets_others(home: Home) -> None:
    """A question mark instead of a traceback."""
    home.environ.pop("LC_ALL", None)
    ended = agents_process(home, "job", "enqueue", "nöpe", PYTHONIOENCODING="ascii")

    assert ended.returncode == 2
    assert b"n?pe" in ended.stderr or b"n\\xf6pe" in ended.stderr


def test_python_dash_m_is_the_same_command(home: Home) -> None:
    """For where the script is not on the path."""
    ended = subprocess.run(
        [AGENTS.with_name("python"), "-m", "agentsd", "config", "path"],
        env=home.environ,
        capture_output=True,
        check=False,
    )

    assert ended.stdout.decode().strip() == home.environ["AGENTS_CONFIG"]


def test_it_can_be_run_from_python() -> None:
    """It exits as the command would; or returns and raises, if that is asked for."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["nope"])
    assert ended.value.code == 2
    with pytest.raises(click.UsageError):
        cli.main(["nope"], standalone_mode=False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_and_their_answers(agents: Agents, home: Home, shell: str) -> None:
    """The script asks the command itself, which knows its commands."""
    assert "_AGENTS_COMPLETE" in agents("completion", shell).out
    answer = agents_process(home, _AGENTS_COMPLETE="bash_complete", COMP_WORDS="agents jo", COMP_CWORD="1")
    assert b"job" in answer.stdout


def test_help_of_a_group_imports_none_of_its_commands(home: Home) -> None:
    """Nor does `config path` load the store: start-up is part of the product."""
    script = "import sys; from agentsd.cli.main import run; run({}); print(*sys.modules)"
    for words in (["job", "--help"], ["config", "path"]):
        python = [AGENTS.with_name("python"), "-c", script.format(words)]
        loaded = subprocess.run(python, env=home.environ, capture_output=True, text=True, check=True)
        modules = set(loaded.stdout.splitlines()[-1].split())
        assert (
            modules
            & {"peewee", "rich", "psutil", "yaml", "tomlkit", "importlib.metadata", "agentsd.cli.job.list"}
            == set()
        )


FROM_ULID = {"ulid", "importlib.metadata"}
"""What only whoever makes an id loads."""


@pytest.mark.parametrize(
    ("words", "unneeded"),
    [(["job", "enqueue", "noop"], set[str]()), (["job", "list", "--format", "json"], FROM_ULID)],
)
def test_the_commands_of_every_day_load_what_they_need(
    home: Home, words: list[str], unneeded: set[str]
) -> None:
    """A store that is there is opened without peewee, which takes a quarter of the time of a command."""
    home.connect().close()
    script = "import sys; from agentsd.cli.main import run; run({}); print(*sys.modules)"
    python = [AGENTS.with_name("python"), "-c", script.format(words)]
    ended = subprocess.run(python, env=home.environ, capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.splitlines()[-1].split())

    assert "agentsd.store.database" in loaded
    assert loaded & {"peewee", "rich", "psutil", "yaml", *unneeded} == set()


@pytest.mark.parametrize("ignored", [False, True], ids=["", "ignored"])
def test_an_early_ctrl_c_ends_it_in_silence(home: Home, tmp_path: Path, ignored: bool) -> None:
    """Before the command line is loaded. One that was ignored when it began stays ignored."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    # Stands where the real one is loaded from: tells that loading has begun, and waits to be let go on.
    (tmp_path / "click.py").write_text(
        f"open({str(gate)!r}, 'w').close(); open({str(gate)!r}).read(); 1 / 0\n"
    )
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        loading = subprocess.Popen(
            [AGENTS, "job", "list"], env={**home.environ, "PYTHONPATH": str(tmp_path)}, stderr=subprocess.PIPE
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with loading:
        gate.open().close()
        loading.send_signal(signal.SIGINT)
        if ignored:
            gate.open("w").close()
        _, said = loading.communicate(timeout=30)

    assert loading.returncode == (1 if ignored else -signal.SIGINT)
    assert (b"ZeroDivisionError" if ignored else b"") in said
    assert b"KeyboardInterrupt" not in said


def test_a_command_without_examples_has_none_in_its_help() -> None:
    """The section is left out."""
    bare = Command("bare", callback=lambda: None)

    assert "Examples" not in bare.get_help(click.Context(bare))
