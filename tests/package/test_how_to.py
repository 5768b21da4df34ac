"""What the guides tell people to type does what they say: their blocks are run as they stand."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd.plans.file import load_plan

DOCS = Path(__file__).parents[2] / "docs"
FIRST_STORE = DOCS.parent / "tests" / "store" / "stores" / "version_1.sql"
HOW_TO = sorted((DOCS / "how-to").glob("*.md"))
FENCE = re.compile(r"^( *)```(\w+)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
MARKED = re.compile(r"<!-- the tests run [^>]*-->\n```\w+\n(.*?)```", re.DOTALL)
STAND_IN = """\
#!/bin/sh
# An agent as a step sees it: it must have no terminal and nothing to read, and it edits a file.
test -z "$(cat)" && ! test -t 0 && ! test -t 1 || exit 9
echo "$(basename "$0")" "$@" >> "$SEEN"
echo "$(basename "$0")" >> src/work.py
git add --all && git -c user.name=a -c user.email=a@b commit --quiet -m "by an agent" && git stash list
"""


class Reader:
    """Somebody who follows a page in a small git project, with what it names on the PATH."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.project = home.root / "project"
        self.bin = home.root / "bin"
        self.bin.mkdir()
        (self.bin / "agents").symlink_to(AGENTS)
        home.environ["PATH"] = f"{self.bin}{os.pathsep}{AGENTS.parent}{os.pathsep}{home.environ['PATH']}"
        home.environ["SEEN"] = str(home.root / "seen")
        self.write("src/work.py", "")
        self.write("task.md", "Do it.\n")
        self.shell(
            "git init -q -b main && git add . && git -c user.name=a -c user.email=a@b commit -q -m Begin"
        )

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.project / name).parent.mkdir(parents=True, exist_ok=True)
        (self.project / name).write_text(text)

    def program(self, name: str, text: str) -> None:
        """Put a program on the PATH."""
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def shell(self, script: str, code: int = 0) -> str:
        """Run a script that has to exit with *code*; return what it printed."""
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script], cwd=self.project, env=self.home.environ,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, (script, done.returncode, done.stdout, done.stderr)
        return done.stdout

    @property
    def seen(self) -> list[str]:
        """The command lines that stand-ins were called with."""
        return (self.home.root / "seen").read_text().splitlines()


@pytest.fixture
def reader(home: Home) -> Reader:
    """Somebody who follows a page."""
    return Reader(home)


def blocks(page: str, language: str) -> list[str]:
    """Every block of *page* in *language*."""
    return [body for _, kind, body in FENCE.findall((DOCS / page).read_text()) if kind == language]


def marked(page: str) -> list[str]:
    """The blocks that the page says are run."""
    return MARKED.findall((DOCS / page).read_text())


def typed(block: str, **words: str) -> Iterator[str]:
    """The commands of a console block, with *words* in the place of the capitals."""
    for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
        yield re.sub(r"\b(PLAN|JOB)\b", lambda found: words[found[1]], line)


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.name)
def test_every_plan_that_is_shown_is_valid(page: Path, reader: Reader) -> None:
    """A block in YAML that has steps at its top is a plan."""
    for number, text in enumerate(blocks(f"how-to/{page.name}", "yaml")):
        if re.search(r"^steps:", text, re.MULTILINE):
            reader.write(f"{number}.yaml", text)
            load_plan(reader.project / f"{number}.yaml", reader.project)


def test_the_five_agents_are_called_as_written(reader: Reader) -> None:
    """By stand-ins: no terminal, nothing to read, the arguments of the page; commits of theirs stay in the clone."""
    for name in ("claude", "codex", "gemini", "opencode", "aider"):
        reader.program(name, STAND_IN)
    reader.program("python", "#!/bin/sh\ntrue\n")
    reader.write("five.yaml", blocks("how-to/parallel_agents.md", "yaml")[0])
    head = reader.shell("git rev-parse HEAD; git stash list; git branch")

    plan = reader.shell("agents plan create five.yaml").strip()
    reader.shell(f"agents plan execute {plan}")

    assert [line.split()[0] for line in reader.seen] == ["claude", "codex", "gemini", "opencode", "aider"]
    assert all("Make the tests in tests/ pass." in line for line in reader.seen)
    assert reader.shell("git rev-parse HEAD; git stash list; git branch") == head
    assert "src/work.py | 5 +++++" in reader.shell(f"agents plan diff --stat {plan}")


def test_agents_work_in_parallel_as_written(reader: Reader) -> None:
    """One of three fails its check; the others can be looked at and the best is applied."""
    text = blocks("how-to/parallel_agents.md", "yaml")[1]
    for name in ("claude", "codex", "gemini"):
        reader.program(name, STAND_IN)
        reader.write(f"fix.{name}.yaml", text.replace("claude", name))
    reader.program("python", "#!/bin/sh\n! grep -q gemini src/work.py\n")
    reader.home.set("async.enabled", "true")
    supervisor = Supervisor(reader.home, "--max-workers", "3").start()
    try:
        (block,) = marked("how-to/parallel_agents.md")
        said = reader.shell(block)
        assert said.count("src/work.py | 1 +") == 3
        assert "not every agent succeeded" in said
        plans = (reader.project / "plans.txt").read_text().split()
        reader.shell(f"agents job wait $(agents plan apply {plans[1]})")
    finally:
        supervisor.stop()
    assert (reader.project / "src" / "work.py").read_text() == "codex\n"
    assert "is failed" in reader.shell(f"agents plan status {plans[2]}")


def test_review_and_apply_as_written(reader: Reader) -> None:
    """Every command of the first block, in its order."""
    reader.write("plan.yaml", "name: a-plan\nsteps:\n  - {run: 'echo new > made'}\n")
    plan = reader.shell("agents plan create plan.yaml").strip()
    reader.shell(f"agents plan execute {plan}")
    (block,) = marked("how-to/review_and_apply.md")

    for line in typed(block, PLAN=plan):
        reader.shell(line)

    assert (reader.project / "made").read_text() == "new\n"


@pytest.mark.parametrize(
    ("script", "code"), [("echo new > made", 0), ("echo new > made; exit 3", 1), ("sleep 60", 124)]
)
def test_the_block_for_ci_runs(reader: Reader, script: str, code: int) -> None:
    """It applies what succeeded, and exits as the plan ended; log and patch are there in any case."""
    limit = "timeout-minutes: 0.01\n" if code == 124 else ""
    reader.write("plan.yaml", f"name: ci\n{limit}steps:\n  - {{run: '{script}'}}\n")
    reader.home.environ["RUNNER_TEMP"] = str(reader.home.root)

    reader.shell(marked("how-to/ci.md")[0], code)

    assert (reader.project / "made").exists() == (code == 0)
    assert "sandbox: " in (reader.project / "agents.log").read_text()
    assert ("+new" in (reader.project / "agents.patch").read_text()) == (code != 124)


def test_the_block_for_several_plans_in_ci_runs(reader: Reader) -> None:
    """Three are queued, the worker drains the queue and ends, and all have succeeded."""
    reader.write("plan.yaml", "name: ci\nsteps:\n  - {run: 'echo new > made'}\n")
    reader.home.environ["RUNNER_TEMP"] = str(reader.home.root)

    assert reader.shell(marked("how-to/ci.md")[1]).count("succeeded") >= 3


@pytest.mark.slow
def test_a_backup_while_running_and_its_restore_as_written(reader: Reader) -> None:
    """The copy has what was acknowledged before; after the restore what ran is `worker_lost`, what waited is run."""
    backup, restore, look = marked("how-to/backup.md")
    supervisor = Supervisor(reader.home, "--max-workers", "2").start()
    again = None
    try:
        with reader.home.connect() as client:
            done = client.wait(client.enqueue("echo", payload="done").job_id, timeout=30)
            running = client.enqueue("sleep", payload={"seconds": 600})
            eventually(lambda: client.get(running.job_id).pid, 20, "the job runs")
            waiting = [client.enqueue("noop", hold=True).job_id for _ in range(3)]
            stop = threading.Event()
            writer = threading.Thread(target=keep_writing, args=(reader.home, stop))
            writer.start()
            try:
                reader.shell(backup)
            finally:
                stop.set()
                writer.join()
            late = client.enqueue("noop", hold=True).job_id
            client.cancel(running.job_id)

        reader.shell(restore)
        assert supervisor.process.wait(20) == 0
        said = reader.shell(look)
        assert all(job in said for job in waiting)
        assert late not in said

        again = Supervisor(reader.home).start()
        with reader.home.connect() as client:
            assert client.get(done.job_id) == done
            assert client.wait(running.job_id, timeout=30).reason == "worker_lost"
            for job in waiting:
                client.release(job)
                assert client.wait(job, timeout=30).status == "succeeded"
        reader.shell("agents diagnostics")
    finally:
        supervisor.end()
        if again is not None:
            again.end()


def keep_writing(home: Home, stop: threading.Event) -> None:
    """Queue jobs until told to stop, from a connection of its own."""
    with home.connect() as client:
        while not stop.is_set():
            client.enqueue("noop", priority=-1)


@pytest.mark.slow
def test_an_upgrade_as_written(reader: Reader) -> None:
    """A worker finishes its job and goes; a store of the first version opens, and what waits in it is run."""
    drain, first_look = marked("how-to/upgrade.md")
    supervisor = Supervisor(reader.home).start()
    try:
        with reader.home.connect() as client:
            job = client.enqueue("sleep", payload={"seconds": 1})
            eventually(lambda: client.get(job.job_id).pid, 20, "the job runs")
        reader.shell(drain)
        assert supervisor.process.wait(20) == 0
        with reader.home.connect() as client:
            assert client.get(job.job_id).status == "succeeded"
    finally:
        supervisor.end()

    shutil.rmtree(reader.home.state.root)
    with contextlib.closing(sqlite3.connect(reader.home.state.database)) as old:
        old.executescript(FIRST_STORE.read_text())
    waiting = [
        row[0]
        for row in reader.home.sql("SELECT job_id FROM async_jobs WHERE status = 'queued' AND phase = 'noop'")
    ]
    assert all(job in reader.shell(first_look) for job in waiting)

    supervisor = Supervisor(reader.home).start()
    try:
        with reader.home.connect() as client:
            assert ["succeeded"] * 2 == [client.wait(job, timeout=30).status for job in waiting]
    finally:
        supervisor.stop()


@pytest.mark.slow
def test_what_watches_a_worker_works_as_written(reader: Reader) -> None:
    """Every command of both pages that ends by itself, beside a worker, with nothing wrong; the numbers are written."""
    place = str(reader.home.root / "agentsd.prom")
    pages = ("guides/running_a_worker.md", "how-to/monitoring.md")
    lines = [line for page in pages for block in blocks(page, "console") for line in typed(block)]
    elsewhere = ("worker start", "--watch", "agents top")
    looking = [line for line in lines if line.startswith("agents ") and not any(map(line.count, elsewhere))]
    supervisor = Supervisor(reader.home).start()
    try:
        for line in looking:
            reader.shell(line.replace("/var/lib/node_exporter/textfile/agentsd.prom", place))
    finally:
        supervisor.stop()

    assert len(looking) >= 6
    assert "agentsd_workers" in Path(place).read_text()
