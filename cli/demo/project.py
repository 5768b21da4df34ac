"""The small git project of the demo, and its plans."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from agentsd.plans.git import scrubbed

FILES = {
    "VERSION": "1.0\n",
    "greeting.py": 'def greet(name):\n    return "Hello, " + name + "!"\n\n\nif __name__ == "__main__":\n    print(greet("world"))\n',
    "README.md": "# A small project\n\nIt says hello.\n",
}

TIDY = """\
name: tidy
description: An agent rewrites a function.
steps:
  - {name: think, run: "echo thinking; sleep 1"}
  - name: rewrite
    write:
      path: greeting.py
      content: |
        def greet(name: str) -> str:
            return f"Hello, {name}!"


        if __name__ == "__main__":
            print(greet("world"))
  - {name: try, run: "python3 greeting.py; sleep 0.5"}
"""

RELEASE = """\
name: release
description: An agent prepares a release.
paths: [VERSION, CHANGELOG.md]
steps:
  - {name: version, write: {path: VERSION, content: "2.0\\n"}}
  - {name: notes, run: "sleep 0.7; printf '# Changes\\\\n\\\\n2.0: says hello, better\\\\n' > CHANGELOG.md"}
  - {name: check, run: "grep -q 2.0 VERSION; sleep 0.5"}
"""

LONG = """\
name: test
description: Runs the tests of the project.
steps:
  - {name: unit, run: "for i in 1 2 3; do echo test $i passed; sleep 0.4; done"}
  - {name: style, run: "sleep 0.6; echo fine"}
"""

# What agents really do: start a server and forget it. It ignores SIGTERM and has left the process group.
NAUGHTY = """\
name: naughty
description: An agent leaves processes behind.
steps:
  - name: serve
    run: |
      trap '' TERM
      setsid sh -c 'sleep 601 & exec sleep 602' &
      (sleep 603 &)
      sleep 604
"""

PLANS = {"tidy": TIDY, "test": LONG, "naughty": NAUGHTY, "release": RELEASE}
NAUGHTY_PROCESSES = 4
"""How many ``sleep`` the naughty plan has when it is at its worst."""


def make_project(folder: Path) -> None:
    """Make the project, with one commit, and the plan files beside it."""
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content)
    for name, content in PLANS.items():
        (folder.parent / f"{name}.yaml").write_text(content)
    who = ("-c", "user.name=Demo", "-c", "user.email=demo@example.org", "-c", "commit.gpgsign=false")
    _git(folder, "init", "-q", "-b", "main", "--template=")
    _git(folder, "add", ".")
    _git(folder, *who, "commit", "-q", "--no-verify", "-m", "Say hello")


def _git(folder: Path, *words: str) -> None:
    environment = scrubbed(os.environ)
    # A group of its own: Ctrl-C is for the demo, which decides when to stop.
    subprocess.run(("git", *words), cwd=folder, env=environment, check=True, process_group=0)  # noqa: S603, S607
