"""Showing something long through a pager, chosen as git chooses it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from agentsd.cli.output import is_terminal, write_bytes

_DEFAULTS = {"LESS": "FRX", "LV": "-c"}
"""What git sets where the user has said nothing: leave at the end of a short text, keep colours and the screen."""
_NO_PAGER = frozenset({"", "cat"})


def show_paged(data: bytes, project: Path) -> None:
    """Write *data* to stdout, through the pager if a person is looking.

    Leaving the pager early is no error. A pager that cannot be started is no reason to show nothing.
    """
    pager = _choose(project) if data and is_terminal(sys.stdout) else ""
    if pager in _NO_PAGER or not _page(pager, data):
        write_bytes(data)


def _choose(project: Path) -> str:
    """``GIT_PAGER``, ``core.pager`` (also of the project), ``PAGER``, else less: what ``git var`` says."""
    git = shutil.which("git")
    if git is not None and project.is_dir():
        asked = subprocess.run(  # noqa: S603 - an argument list
            [git, "var", "GIT_PAGER"], cwd=project, capture_output=True, text=True, check=False
        )
        if asked.returncode == 0:
            return asked.stdout.strip()
    return os.environ.get("GIT_PAGER", os.environ.get("PAGER", "less"))


def _page(pager: str, data: bytes) -> bool:
    """Run the pager, a shell command as in git, to its end; False if there is no such program."""
    environ = {**_DEFAULTS, **os.environ}
    # Ctrl-C is for the pager: less takes it as "stop searching". This process waits for it either way. Not ignored
    # but handled by nothing, because the pager would inherit the ignoring.
    before = signal.signal(signal.SIGINT, _do_nothing)
    try:
        process = subprocess.Popen(  # noqa: S602 - a shell command by definition, of the user's own configuration
            pager, shell=True, stdin=subprocess.PIPE, env=environ
        )
        try:
            process.communicate(data)
        except BrokenPipeError:
            process.wait()
        return process.returncode not in (126, 127)  # the shell's own words for "no such program"
    finally:
        signal.signal(signal.SIGINT, before)


def _do_nothing(_signal: int, _frame: FrameType | None) -> None:
    pass
