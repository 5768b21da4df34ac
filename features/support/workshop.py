"""A project in the middle of somebody's work, and plans for it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from support.home import Home
from support.judge import Files, files_in, private_files
from support.operator import AGENTS, Answer, Operator
from support.patience import eventually

STORY = "".join(f"line {number}\n" for number in range(1, 20))
PLANS = {
    "copies the work": 'cp story copy-of-story; cp new copy-of-new; test "$(cat staged)" = staged',
    "changes nothing": "true",
    "edits the last line": "sed -i '$s/.*/the end/' story",
    "edits the notebook": "echo 'cell three' >> notes.nb",
    "writes 5 files": "mkdir -p made; for n in 1 2 3 4 5; do echo $n > made/$n; done",
    "writes a file and then waits": "echo early > early; touch {marks}/waiting; sleep 600",
    "leaves a repository in vendor": "git init -q vendor; echo x > vendor/x",
    "makes a program with a newline in its name": "printf '#!/bin/sh\\necho it runs\\n' > $'odd\\nname'; chmod +x $'odd\\nname'",
    "counts its attempts": "echo x >> {marks}/attempts; wc -l < {marks}/attempts > attempt",
    "succeeds once and fails after that": "echo x >> {marks}/attempts; wc -l < {marks}/attempts > attempt; test $(cat attempt) = 1",
}
"""What a plan does, as the scenarios say it, and the script of its one step."""


class Workshop:
    """The project and its one plan. What it should look like untouched is remembered when the plan is created."""

    def __init__(self, home: Home, operator: Operator) -> None:
        self.home, self.operator = home, operator
        self.project = home.root / "project"
        self.marks = home.root / "marks"
        self.plan_id = ""
        self.files: Files = {}
        self.private: dict[str, bytes] = {}

    def begin(self) -> None:
        """Make the project: one commit, then staged, edited, untracked and stashed work."""
        self.marks.mkdir()
        self.project.mkdir()
        self.operator.directory = self.project
        self._write(story=STORY, committed="committed\n")
        self._git("init", "-q", "-b", "main")
        self._git("add", ".")
        self._git("commit", "-q", "-m", "Begin")
        self._write(committed="put aside\n")
        self._git("stash", "push", "-q")
        self._write(staged="staged\n", new="new\n", story=STORY.replace("line 7\n", "line seven\n"))
        self._git("add", "staged")

    def _git(self, *words: str) -> None:
        who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        subprocess.run(("git", *who, *words), cwd=self.project, env=self.home.environ, check=True)

    def _write(self, **files: str) -> None:
        for name, content in files.items():
            (self.project / name).write_text(content)

    def plan(self, what: str) -> None:
        """Create the plan that does *what*."""
        script = PLANS[what].format(marks=self.marks) if "{marks}" in PLANS[what] else PLANS[what]
        file = self.home.root / "plan.yaml"
        lines = "".join(f"      {line}\n" for line in script.split("; "))
        file.write_text(f"name: the-plan\nsteps:\n  - run: |\n{lines}")
        self.plan_id = self.operator.ask("plan", "create", str(file)).data["plan_id"]
        self.remember()

    def remember(self) -> None:
        """What the project looks like when nothing of agentsd's has touched it."""
        self.files, self.private = files_in(self.project), private_files(self.project)

    def keep_a_notebook(self) -> None:
        """Let there be a notebook of whose outputs git keeps nothing."""
        self._git("config", "filter.strip.clean", "grep -v ^output")
        (self.project / ".gitattributes").write_text("*.nb filter=strip\n")
        (self.project / "notes.nb").write_text("cell one\noutput of hours\ncell two\n")
        self.remember()

    def edit_in_the_sandbox(self) -> None:
        """Correct by hand what the plan has written into its sandbox."""
        (box,) = self.sandboxes
        (box / "made" / "3").write_text("corrected\n")

    def edit_line(self, number: int) -> None:
        """Edit a line of the story (from 1; -1 is the last) as the operator; that is the operator's work then."""
        lines = (self.project / "story").read_text().splitlines()
        lines[number - 1 if number > 0 else number] = "edited by hand"
        self._write(story="".join(f"{line}\n" for line in lines))
        self.remember()

    def hook(self, name: str, script: str) -> None:
        """Install a hook of git in the project."""
        hook = self.project / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{script}\n")
        hook.chmod(0o755)
        self.remember()

    def hook_that_executes(self) -> None:
        """Let git execute the plan from inside its own surroundings after each commit."""
        self.hook(
            "post-commit",
            f'env | grep "^GIT_" > {self.marks}/hook-environment; {AGENTS} plan execute {self.plan_id}',
        )

    def commit(self) -> None:
        """Commit what is staged, as the operator; hooks run."""
        self._git("commit", "-q", "-m", "More")
        assert (self.marks / "hook-environment").read_text(), "git has set nothing for its hook"

    @property
    def elsewhere(self) -> Path:
        """A folder outside of the project."""
        return self.home.root / "elsewhere"

    def link_elsewhere(self, name: str) -> None:
        """Make *name* in the project a link to a folder elsewhere, which git ignores."""
        self.elsewhere.mkdir()
        (self.project / name).symlink_to(self.elsewhere)
        (self.project / ".git" / "info" / "exclude").write_text(f"{name}\n")

    def do(self, verb: str, *options: str) -> Answer:
        """``agents plan VERB`` on the plan."""
        return self.operator.ask("plan", verb, self.plan_id, *options)

    def killed_apply(self, files: int) -> None:
        """Apply in a job process that is killed when *files* files are written."""
        self.home.environ["AGENTS_FAULTS"] = f"apply.between=kill@{files}"
        assert self.do("apply").exit_code == 1
        del self.home.environ["AGENTS_FAULTS"]
        assert self.state == "applying"

    @property
    def state(self) -> str:
        """The plan's state."""
        return self.do("status").data["state"]

    @property
    def change(self) -> dict[str, Any]:
        """The plan's change set, with its patch."""
        return self.do("diff").data

    @property
    def sandboxes(self) -> list[Path]:
        """The folders of sandboxes that are there."""
        return [path for path in (self.home.root / "state" / "sandboxes").glob("*/*") if path.is_dir()]

    def wait_for_state(self, state: str, seconds: float) -> None:
        """Wait until the plan has *state*."""
        eventually(lambda: self.state == state, seconds, lambda: f"the plan is {state}; it is {self.state}")

    def wait_until_it_waits(self) -> None:
        """Wait until the plan's step has written its file and waits."""
        eventually((self.marks / "waiting").exists, 20, "the plan's step waits")

    def other_work_trees(self) -> list[str]:
        """The work trees that git has registered beside the project."""
        listed = subprocess.run(
            ["git", "worktree", "list"],
            cwd=self.project,
            env=self.home.environ,
            check=True,
            capture_output=True,
        )
        return listed.stdout.decode().splitlines()[1:]
