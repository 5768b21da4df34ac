"""A real run: a package from PyPI is modernised in a sandbox, tested there by its own tests, reviewed and applied.

    python real_run.py [WHEEL OR FOLDER OF AGENTSD]

Everything happens in a temporary folder, with a fresh virtual environment, state directory and configuration. It needs
git and PyPI, and takes about a minute. What it prints at the end are the figures of this run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PACKAGE = "toolz==0.12.0"
TOOLS = ("pyupgrade==3.22.0", "pytest==9.2.0")


class Run:
    """One run in *folder*, with *agentsd* (a wheel, or a folder to install from)."""

    def __init__(self, folder: Path, agentsd: Path) -> None:
        self.folder, self.agentsd = folder, agentsd
        self.bin = folder / "venv" / "bin"
        self.project = folder / "project"
        self.environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("AGENTS_", "GIT_"))
        }
        self.environ |= {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "AGENTS_STATE_DIR": str(folder / "state"),
            "AGENTS_CONFIG": str(folder / "config.toml"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        self.figures: dict[str, Any] = {"package": PACKAGE, "date": time.strftime("%Y-%m-%d")}

    def all(self) -> None:
        """Everything, in order."""
        self.install()
        self.unpack()
        index = (self.project / ".git" / "index").read_bytes()
        self.tests("tests before")
        plan = self.agents("plan", "create", str(HERE / "plan.yml"), "--project", str(self.project))[
            "plan_id"
        ]
        self.timed("execute", "plan", "execute", plan)
        self.review(plan)
        need(self.git("status", "--porcelain") == "", "nothing may be changed before the apply")
        self.timed("check", "plan", "apply", "--check", plan)
        self.timed("apply", "plan", "apply", plan)
        need((self.project / ".git" / "index").read_bytes() == index, "the index must not change")
        self.figures["files in git status"] = len(self.git("status", "--porcelain").splitlines())
        self.tests("tests after")
        self.timed("revert", "plan", "revert", plan)
        need(self.git("status", "--porcelain") == "", "a revert brings everything back")
        self.agents("plan", "apply", plan)
        self.agents("diagnostics")

    def install(self) -> None:
        """A fresh virtual environment with agentsd and the tools of the plan."""
        venv.create(self.folder / "venv", with_pip=True)
        self.call("python", "-m", "pip", "install", "--quiet", str(self.agentsd), *TOOLS)
        self.figures["agentsd"] = self.call("agents", "--version").strip()

    def unpack(self) -> None:
        """The package's source distribution, as the first commit of a git repository."""
        where = ("--dest", str(self.folder))
        self.call(
            "python", "-m", "pip", "download", "--quiet", "--no-binary", ":all:", "--no-deps", *where, PACKAGE
        )
        (archive,) = self.folder.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(self.folder, filter="data")
        (self.folder / archive.name.removesuffix(".tar.gz")).rename(self.project)
        self.git("init", "--quiet")
        self.git("add", "--all")
        who = ("-c", "user.name=Real Run", "-c", "user.email=real@example.org")
        self.git(*who, "commit", "--quiet", "-m", "sdist")

    def review(self, plan: str) -> None:
        """Look at the change as a person would, and count it."""
        print(self.call("agents", "plan", "diff", "--stat", plan))
        change = self.agents("plan", "diff", plan)
        names = ("insertions", "deletions")
        self.figures |= {"files changed": len(change["files"])} | {name: change[name] for name in names}

    def tests(self, what: str) -> None:
        """The package's own tests, in the project."""
        said = self.call("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", where=self.project)
        passed = re.search(r"\d+ passed", said)
        self.figures[what] = passed[0] if passed else sys.exit(said)

    def timed(self, what: str, *words: str) -> None:
        """Run ``agents WORDS`` and keep how long it took, in seconds of wall clock."""
        begun = time.monotonic()
        self.agents(*words)
        self.figures[f"{what}, s"] = round(time.monotonic() - begun, 2)

    def agents(self, *words: str) -> Any:
        """The data that ``agents WORDS`` gives."""
        return json.loads(self.call("agents", *words, "--format", "json"))["data"]

    def git(self, *words: str) -> str:
        """Run git in the project."""
        return self.call("git", *words, where=self.project)

    def call(self, *words: str, where: Path | None = None) -> str:
        """Run a command that has to succeed and return what it printed."""
        done = subprocess.run(  # noqa: S603 - words of this file
            words, cwd=where or self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(words)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout


def need(holds: bool, what: str) -> None:
    """End the run if something is not as it has to be."""
    if not holds:
        sys.exit(f"not so: {what}")


def main(agentsd: Path) -> None:
    """Run it and print the figures."""
    with tempfile.TemporaryDirectory(prefix="agentsd-real-run-") as folder:
        run = Run(Path(folder), agentsd)
        run.all()
    print(json.dumps(run.figures, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parents[1]).resolve())
