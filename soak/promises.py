"""Every promise, looked at from outside: rows, events, processes, effects, the project."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from support.home import Home
from support.operator import Operator

from agentsd import Client
from agentsd.workers.leftover_groups import find_groups
from soak.load import Load

TERMINAL = ("succeeded", "failed", "cancelled")


def broken(home: Home, client: Client, load: Load) -> list[str]:
    """Sentences about promises that do not hold; empty if all do. Nothing runs any more when this is called."""
    return [
        *_lost(client, load),
        *_histories(client),
        *_effects(client, load),
        *_files(home, client),
        *_processes(home),
        *_groups(client),
        *_project(home, load.project),
        *_diagnosed(home),
    ]


def _lost(client: Client, load: Load) -> Iterator[str]:
    states = dict(client.db.read("SELECT job_id, status FROM async_jobs"))
    for job_id in load.accepted:
        if states.get(job_id) not in TERMINAL:
            yield f"job {job_id} was acknowledged and is {states.get(job_id, 'lost')}"


def _histories(client: Client) -> Iterator[str]:
    moves: dict[str, list[tuple[str, str]]] = {}
    for job_id, before, after in client.db.read(
        "SELECT job_id, coalesce(from_status, ''), to_status FROM job_events"
        " WHERE from_status IS NOT to_status ORDER BY event_id"
    ):
        moves.setdefault(job_id, []).append((before, after))
    for job_id, path in moves.items():
        claims = sum(after == "running" for _, after in path)
        ends = sum(after in TERMINAL for _, after in path)
        linked = all(late[0] == early[1] for early, late in itertools.pairwise(path))
        if claims > 1 or ends != 1 or not linked or path[0] != ("", "queued"):
            yield f"job {job_id} has the history {path}"


def _effects(client: Client, load: Load) -> Iterator[str]:
    counted = Counter(load.effects.read_text().split())
    succeeded = {
        job_id for (job_id,) in client.db.read("SELECT job_id FROM async_jobs WHERE status = 'succeeded'")
    }
    for job_id, token in load.accepted.items():
        if token and (counted[token] > 1 or (job_id in succeeded and counted[token] != 1)):
            yield f"job {job_id} had its effect {counted[token]} times"


def _files(home: Home, client: Client) -> Iterator[str]:
    """After a prune of all that has ended, no output is left but that of the jobs which are kept."""
    pruned = Operator(home).ask("job", "prune", "--older-than", "0 s")
    if pruned.exit_code:
        yield f"the prune failed: {pruned}"
    kept = {job_id for (job_id,) in client.db.read("SELECT job_id FROM async_jobs")}
    for folder in home.state.logs.iterdir():
        if folder.name not in kept:
            yield f"the output {folder.name} is of no job"


def _processes(home: Home) -> Iterator[str]:
    """Whatever still runs with our state directory in its environment; every process of a job inherits it."""
    mark = f"AGENTS_STATE_DIR={home.environ['AGENTS_STATE_DIR']}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    yield f"process {entry.name} is left: {(entry / 'cmdline').read_bytes()!r}"


def _groups(client: Client) -> Iterator[str]:
    """A control group that nobody needs any more."""
    ids = [worker_id for (worker_id,) in client.db.read("SELECT worker_id FROM workers")]
    for group in find_groups(ids):
        yield f"the control group {group} is left"


def _project(home: Home, project: Path) -> Iterator[str]:
    def git(*words: str) -> str:
        done = subprocess.run(
            ("git", *words), cwd=project, env=home.environ, capture_output=True, text=True, check=False
        )
        return (done.stdout + done.stderr if done.returncode else done.stdout).strip()

    for words in (("status", "--porcelain"), ("stash", "list")):
        if said := git(*words):
            yield f"git {' '.join(words)} of the project says {said}"
    branches = git("for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags")
    if branches != "refs/heads/main":
        yield f"the project has the branches {branches}"
    if "error" in (said := git("fsck", "--no-dangling")) or "missing" in said:
        yield f"git fsck says {said}"


def _diagnosed(home: Home) -> Iterator[str]:
    answer = Operator(home).ask("diagnostics")
    if answer.exit_code:
        yield f"diagnostics: {answer.stdout} {answer.stderr}"
