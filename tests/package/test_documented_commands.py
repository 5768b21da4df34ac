"""Every ``agents`` command that the documentation shows is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
import pytest

from agentsd.cli.main import cli

PROJECT = Path(__file__).parents[2]
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").rglob("*.md")),
    *sorted((PROJECT / "examples").rglob("README.md")),
]
FENCE = re.compile(r"^( *)```(\w+)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")


def typed(page: Path) -> Iterator[str]:
    """Every line of *page* that is a command: after a prompt, or in a shell block."""
    for _, language, body in FENCE.findall(page.read_text()):
        if language in {"console", "text"}:
            yield from re.findall(r"^ *\$ (.*)$", body, re.MULTILINE)
        elif language in {"bash", "sh", "shell"}:
            yield from body.replace("\\\n", " ").splitlines()


def commands(line: str) -> Iterator[list[str]]:
    """The words of each ``agents …`` in *line*; what stands in ``$( … )`` is one of its own, and a word outside."""
    for inner in SUBSTITUTION.findall(line):
        yield from commands(inner)
    plain = re.sub(r"(?<=\s)[12](?=>)", "", SUBSTITUTION.sub("VALUE", line))
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] | None = None
    for word in lexer:
        if set(word) <= set("|&;<>()"):
            if words is not None:
                yield words
            words = None
        elif words is not None:
            words.append(word)
        elif word == "agents":
            words = []
    if words is not None:
        yield words


def refuse(words: list[str]) -> None:
    """Raise click's own error if ``agents WORDS`` is no command; values of ids and files are not looked at."""
    command: click.Command = cli
    context = click.Context(cli)
    rest = words
    while isinstance(command, click.Group):
        if rest in (["--version"], ["--help"]):
            return
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = click.Context(found, parent=context, info_name=name, **found.context_settings)
    if "--help" in rest:
        return
    values, left, _ = command.make_parser(context).parse_args(rest)
    if left:
        raise click.UsageError(f"unexpected: {' '.join(left)}", context)
    for parameter in command.params:
        given = values.get(parameter.name or "")
        if isinstance(parameter.type, click.Choice) and isinstance(given, str) and given.islower():
            parameter.type.convert(given, parameter, context)
        if isinstance(parameter, click.Argument) and parameter.required and not _is_given(given):
            raise click.MissingParameter(ctx=context, param=parameter)


def _is_given(value: object) -> bool:
    return isinstance(value, (str, tuple, list)) and bool(cast("object", value))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_command_can_be_typed(page: Path) -> None:
    """With the options and the number of arguments that stand there."""
    wrong: list[str] = []
    for line in typed(page):
        for words in commands(line):
            try:
                refuse(words)
            except click.UsageError as error:
                wrong.append(f"{line}: {error.format_message()}")

    assert wrong == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("agents plan aply PLAN", "No such command"),
        ("plan=$(agents plan create --chekc plan.yaml)", "No such option"),
        ("agents plan apply", "Missing"),
        ("for p in 1 2; do agents plan diff --format yaml $p; done", "is not"),
        ("agents plan apply PLAN OTHER", "unexpected"),
    ],
)
def test_what_cannot_be_typed_is_noticed(line: str, problem: str) -> None:
    """The test above can fail."""
    (words,) = commands(line)

    with pytest.raises(click.UsageError, match=f"(?i){problem}"):
        refuse(words)
