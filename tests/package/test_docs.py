"""The documentation says what the product does: commands, options, keys, codes, reasons, dependencies."""

from __future__ import annotations

import configparser
import importlib.util
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import agentsd.errors
from agentsd.cli.main import cli
from agentsd.cli.worker.events import EVENTS
from agentsd.errors import ExitCode
from agentsd.model import Reason
from agentsd.plans.file import PLAN_SHAPE, STEP_SHAPE
from agentsd.store.keys import KEYS
from agentsd.store.settings import load_settings

PROJECT = Path(__file__).parents[2]
REFERENCE = PROJECT / "docs" / "reference"
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]


def commands(
    group: click.Group = cli, words: tuple[str, ...] = ("agents",)
) -> Iterator[tuple[str, click.Command]]:
    """Each command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        elif not command.hidden:
            yield " ".join((*words, name)), command


COMMANDS = dict(commands())


SILENT = {"agents completion", "agents help", "agents top"}
"""Commands that are for a shell or a terminal only."""
ROOMS = ("cli", "plans", "store", "supervisor", "workers", "src")
INTERNAL_VARIABLES = {"AGENTS_ASYNC", "AGENTS_COMPLETE", "AGENTS_SANDBOX_", "AGENTS_SPAWNER_FD"}
"""What one part of agentsd tells another."""


def table(page: Path, below: str = "") -> dict[str, list[str]]:
    """Every row of every table on *page* (or *below* one heading) whose first cell is code: its other cells."""
    text = page.read_text()
    if below:
        text = text.partition(f"\n## {below}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", text, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}


def test_the_reference_is_what_the_commands_say() -> None:
    """The page is printed by a program; here it is printed again."""
    program = [sys.executable, str(PROJECT / "docs" / "generate_cli.py")]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout

    assert printed == (REFERENCE / "cli.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_command_in_the_documentation_exists(page: Path) -> None:
    """What is printed after a prompt can be typed."""
    typed = re.findall(r"^\$ (agents [a-z -]*[a-z]|agents --version)", page.read_text(), re.MULTILINE)
    unknown = [line for line in typed if not any(f"{line} ".startswith(f"{words} ") for words in COMMANDS)]

    assert [line for line in unknown if line != "agents --version"] == []


@pytest.mark.parametrize("page", ["config.md", "async_architecture.md"])
def test_every_key_is_documented_with_its_default(page: str) -> None:
    """The tables of both pages hold what an untouched installation has in force."""
    rows = table(REFERENCE / page)
    settings = load_settings({}, PROJECT / "there is no such file")
    for key in KEYS.values():
        shown = rows[key.name][0]
        in_force = getattr(settings, key.field)

        assert in_force == (key.parse(shown) if shown != "[]" else ()), key.name


@pytest.mark.parametrize("page", ["docs/reference/exit_codes.md", "man/agents.1"])
def test_every_exit_code_is_documented(page: str) -> None:
    """In a table of the reference, and in the manual."""
    text = (PROJECT / page).read_text()
    codes = {int(number) for number in re.findall(r"^(?:\| |\\fB)(\d+)(?: \||\\fR)", text, re.MULTILINE)}

    assert {int(code) for code in ExitCode} == codes


@pytest.mark.parametrize("page", ["cli.md", "man"])
@pytest.mark.parametrize("words", COMMANDS)
def test_every_option_is_documented_where_its_command_is(words: str, page: str) -> None:
    """By every name that it has; those of all commands, in the introduction."""
    section = section_of(words) if page == "cli.md" else manual_of(words)
    options = [each for each in COMMANDS[words].params if isinstance(each, click.Option) and not each.hidden]
    names = {name for each in options for name in (*each.opts, *each.secondary_opts)}
    if page == "cli.md":
        names -= {"--help", "-h", "--format"}
        assert "`--format " in (REFERENCE / "cli.md").read_text().partition("\n## ")[0]

    assert [name for name in sorted(names) if not re.search(rf"(?<![\w-]){name}(?![\w-])", section)] == []


def section_of(words: str) -> str:
    """What the reference says of one command."""
    return (REFERENCE / "cli.md").read_text().partition(f"## `{words}`\n")[2].partition("\n## ")[0]


def manual_of(words: str) -> str:
    """What the manual says of one command."""
    pages = "".join(path.read_text() for path in sorted((PROJECT / "man").iterdir())).replace("\\-", "-")
    section = pages.partition(f".SH {words.upper()}\n")[2].partition("\n.SH ")[0]
    return re.sub(r"\\f[BIR]", " ", section)


def test_every_event_is_documented() -> None:
    """Each with its level; the page has no event that there is not."""
    rows = table(REFERENCE / "events.md", "Of a worker")

    assert {name: event.level for name, event in EVENTS.items()} == {
        name: cells[0] for name, cells in rows.items()
    }


def test_the_data_of_every_command_is_documented() -> None:
    """Each command has a row in the page of the JSON output, and a schema."""
    text = (REFERENCE / "json.md").read_text()
    schema = json.loads((REFERENCE / "agents.schema.json").read_text())
    talking = [words.removeprefix("agents ") for words in COMMANDS if words not in SILENT]

    assert [words for words in talking if f"| `agents {words}` |" not in text] == []
    assert [words for words in talking if words not in schema["$defs"]] == []


def test_every_variable_is_documented() -> None:
    """Each that the code names, with its own name or as that of a key."""
    sources = [path for room in ROOMS for path in (PROJECT / room).rglob("*.py")]
    named = {name for path in sources for name in re.findall(r"\bAGENTS_[A-Z_]*[A-Z]\b", path.read_text())}
    text = (REFERENCE / "config.md").read_text()
    known = {key.variable for key in KEYS.values()} | INTERNAL_VARIABLES

    assert [name for name in sorted(named - known) if f"`{name}`" not in text] == []


def test_every_reason_is_documented() -> None:
    """Whoever sees a reason can look it up."""
    text = (REFERENCE / "async_architecture.md").read_text()

    assert [reason for reason in Reason if f"| `{reason}` |" not in text] == []


def test_the_page_of_the_plan_file_is_what_its_reader_says() -> None:
    """The page and the schema are written by a program from the shapes; here they are made again."""
    spec = importlib.util.spec_from_file_location("generate", PROJECT / "docs" / "generate_plan_file.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)

    assert generate.page() == generate.PAGE.read_text()
    assert generate.schema() == generate.schema_file().read_text()
    assert PLAN_SHAPE.keys() | STEP_SHAPE.keys() <= table(generate.PAGE).keys()


def test_every_dependency_has_a_reason() -> None:
    """Nothing is installed on a user's machine for no reason."""
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg")
    lines = config["options"]["install_requires"].split() + config["options.extras_require"]["top"].split()
    required = {re.split(r"[<>=]", line)[0] for line in lines}
    listed = re.findall(r"^\| ([\w-]+) \|", (REFERENCE / "dependencies.md").read_text(), re.MULTILINE)

    assert required == set(listed) - {"package"}


def test_the_readme_has_the_two_lines() -> None:
    """One line shows the product, one runs its tests; CI runs the second one."""
    lines = (PROJECT / "README.md").read_text().splitlines()

    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/agents demo" in lines
    assert "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox" in lines


def test_every_generated_page_is_up_to_date() -> None:
    """`python docs/generate_all.py` writes them; here it is only asked which ones are old."""
    program = [sys.executable, str(PROJECT / "docs" / "generate_all.py"), "--check"]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


def test_every_command_has_its_section() -> None:
    """In the reference, and in a manual page."""
    text = (REFERENCE / "cli.md").read_text()
    manual = "".join(path.read_text() for path in (PROJECT / "man").iterdir()).replace("\\-", "-")

    assert [words for words in COMMANDS if f"## `{words}`" not in text] == []
    assert [words for words in COMMANDS if f".SH {words.upper()}\n" not in manual] == []


def test_every_public_name_and_every_error_is_documented() -> None:
    """In the page of the Python API."""
    text = (REFERENCE / "python_api.md").read_text()
    errors = [
        name
        for name, kind in vars(agentsd.errors).items()
        if inspect.isclass(kind) and name.endswith("Error")
    ]

    assert [name for name in agentsd._HOMES if f"## {name}\n" not in text] == []  # pyright: ignore[reportPrivateUsage]
    assert [name for name in errors if f"| `{name}` |" not in text] == []
