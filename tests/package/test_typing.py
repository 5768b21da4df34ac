"""A user's program against the installed package, as type checkers see it: what is right passes, what is wrong is named."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import agentsd

USER = Path(__file__).with_name("user_of_api.py")
BIN = Path(sys.executable).parent
HEAD = """\
import agentsd
from agentsd import AsyncJobStatus, JobContext, Wishes, connect
from agentsd.testing import run_inline

client = connect()


def handler(job: JobContext) -> int:
    return 1


"""
WRONG = {
    "client.enqueue(5)": ("reportArgumentType", "arg-type"),
    "client.enqueue('a', 'plan')": ("reportCallIssue", "call-arg misc"),
    "client.enqueue('a', prio=3)": ("reportCallIssue", "call-arg"),
    "client.enqueue('a', priority='high')": ("reportArgumentType", "arg-type"),
    "wishes: Wishes = {'keey': 'a'}": ("reportAssignmentType", "typeddict-unknown-key"),
    "client.wait('a', timeout='1 h')": ("reportArgumentType", "arg-type"),
    "client.cancel('a').acknowledge": ("reportAttributeAccessIssue", "attr-defined"),
    "client.get('a').status = AsyncJobStatus.FAILED": ("reportAttributeAccessIssue", "misc"),
    "text: str = client.get('a').reason": ("reportAssignmentType", "assignment"),
    "number: int = client.list()": ("reportAssignmentType", "assignment"),
    "client.fetch('a')": ("reportAttributeAccessIssue", "attr-defined"),
    "run_inline(handler, timeout='5 s')": ("reportArgumentType", "arg-type"),
    "run_inline(5)": ("reportArgumentType", "arg-type"),
    "from agentsd import Clinet": ("reportAttributeAccessIssue", "attr-defined"),
    "agentsd.conect()": ("reportAttributeAccessIssue", "attr-defined"),
}
"""Each wrong line, and what pyright and mypy call it."""


def missing(name: str) -> bool:
    """Whether a checker is not here. `nox -s typecheck` has both, and says that they have to be."""
    return not (BIN / name).exists() and "AGENTSD_TYPING" not in os.environ


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The right program and the wrong lines, in a folder far from the checkout."""
    (tmp_path / "right.py").write_text(USER.read_text())
    (tmp_path / "wrong.py").write_text(HEAD + "\n".join(WRONG) + "\n")
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps({"typeCheckingMode": "strict", "reportUnusedVariable": False})
    )
    return tmp_path


@pytest.mark.skipif(
    "AGENTSD_TYPING" not in os.environ, reason="only `nox -s typecheck` has the wheel for sure"
)
def test_what_is_checked_is_the_installed_package() -> None:
    """Not the checkout, which may have files that the wheel lacks, such as py.typed."""
    package = Path(agentsd.__file__).parent

    assert "site-packages" in package.parts
    assert (package / "py.typed").exists()


def run(program: Path, *words: str) -> str:
    """What a checker says."""
    command = [str(BIN / words[0]), *words[1:]]
    return subprocess.run(command, cwd=program, capture_output=True, text=True, check=False).stdout


def compare(found: dict[str, set[str]], expected: dict[str, set[str]]) -> None:
    """Nothing about the right program; about each wrong line exactly what is expected, and about no other."""
    assert found.pop("right.py", set()) == set()
    assert found.keys() == expected.keys()
    for line, names in expected.items():
        assert found[line] & names, (line, found[line])


def lines_of_wrong() -> list[str]:
    """The wrong file, by lines."""
    return [*HEAD.splitlines(), *WRONG]


@pytest.mark.slow
@pytest.mark.skipif(missing("pyright"), reason="pyright is not installed")
def test_pyright_strict_agrees(program: Path) -> None:
    """With every type of the right program, and with every mistake of the wrong one."""
    said: dict[str, Any] = json.loads(run(program, "pyright", "--outputjson", "--pythonpath", sys.executable))
    found: dict[str, set[str]] = {}
    for each in said["generalDiagnostics"]:
        name = Path(each["file"]).name
        line = lines_of_wrong()[int(each["range"]["start"]["line"])] if name == "wrong.py" else name
        found.setdefault(line, set()).add(each.get("rule", each["message"]))

    assert 2 == said["summary"]["filesAnalyzed"]
    compare(found, {line: {rule} for line, (rule, _) in WRONG.items()})


@pytest.mark.slow
@pytest.mark.skipif(missing("mypy"), reason="mypy is not installed")
def test_mypy_strict_agrees(program: Path) -> None:
    """The same."""
    said = run(
        program, "mypy", "--strict", "--no-error-summary", "--hide-error-context", "right.py", "wrong.py"
    )
    found: dict[str, set[str]] = {}
    for name, number, rule in re.findall(r"^(\S+\.py):(\d+): error: .*\[([\w-]+)\]$", said, re.MULTILINE):
        line = lines_of_wrong()[int(number) - 1] if name == "wrong.py" else name
        found.setdefault(line, set()).add(rule)

    compare(found, {line: set(rules.split()) for line, (_, rules) in WRONG.items()})
