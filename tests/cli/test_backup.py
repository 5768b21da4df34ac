"""Backup and restore as the how-to describes them, while a worker runs."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor


def vacuum_into(database: Path, copy: Path) -> None:
    """What ``sqlite3 agents.db "VACUUM INTO 'copy'"`` does."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))


def online_backup(database: Path, copy: Path) -> None:
    """What ``sqlite3 agents.db ".backup copy"`` does."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


@pytest.mark.parametrize("save", [vacuum_into, online_backup])
def test_a_copy_that_was_made_under_a_worker_is_a_whole_store(
    agents: Agents, home: Home, worker: Supervisor, tmp_path: Path, save: Callable[[Path, Path], None]
) -> None:
    """It has all that was acknowledged; restored, its worker's jobs end with a reason and its queue is run."""
    done = agents.enqueue("echo", {"text": "kept"})
    agents("job", "wait", done)
    running = agents.enqueue("sleep", {"seconds": 600})
    eventually(lambda: agents.ask("job", "show", running)["started_at"], 20, "it runs")
    waiting = agents("job", "enqueue", "noop", "--hold").out.strip()
    copy = tmp_path / "agents.db"
    save(home.state.database, copy)
    shutil.copytree(home.state.logs, tmp_path / "logs")
    agents("job", "cancel", running, "--wait")
    later = agents.enqueue("noop")
    worker.stop()

    restored = home.state.root
    shutil.rmtree(restored)
    restored.mkdir(mode=0o700)
    shutil.copy(copy, restored / "agents.db")
    shutil.copytree(tmp_path / "logs", restored / "logs")
    assert agents.ask("job", "show", done)["result"] == {"text": "kept"}
    assert agents("job", "show", later).code == 3
    agents("job", "release", waiting)
    drained = subprocess.run(
        [AGENTS, "worker", "start", "--drain"], env=home.environ, capture_output=True, check=False
    )

    assert drained.returncode == 0, drained.stderr
    ended = {job["job_id"]: (job["status"], job["reason"]) for job in agents.ask("job", "list")["jobs"]}
    assert ended[waiting] == ("succeeded", "completed")
    assert ended[running] == ("failed", "worker_lost")
    report = agents.ask("diagnostics")
    assert report["verdict"] != "error", report["checks"]
