"""Jobs that say nothing leave no log behind, and nobody who follows one sees what another job says."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from support.home import Home
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.model import AsyncJob
from agentsd.store.logs import last_text

Start = Callable[..., Supervisor]
Begin = Callable[..., AsyncJob]
SAYS = "print(given['words'], flush=True)"


def said(client: Client, words: str) -> list[str]:
    """What is in the log of a job that says *words*."""
    job = client.enqueue("snippet", payload={"code": SAYS, "words": words})
    client.wait(job.job_id, timeout=20)
    return last_text(client.state.job_logs(job.job_id), 9)


def test_each_job_has_its_own_words(client: Client, start: Start) -> None:
    """However folders go from one to the other; a silent job leaves none."""
    start("--max-workers", "1")
    for number in range(12):
        silent = client.wait(client.enqueue("noop").job_id, timeout=20)
        assert said(client, f"number {number}") == [f"number {number}"]
        assert not client.state.job_logs(silent.job_id).exists()


def test_who_follows_a_silent_job_never_reads_the_next(
    client: Client, begin: Begin, start: Start, tmp_path: Path
) -> None:
    """Its file is open when the job ends: it is not handed on."""
    start("--max-workers", "1")
    job = begin("gate", {"gate": str(tmp_path / "gate")})
    with (client.state.job_logs(job.job_id) / "job.log").open("rb") as followed:
        (tmp_path / "gate").touch()
        client.wait(job.job_id, timeout=20)
        for number in range(8):
            assert said(client, f"secret {number}") == [f"secret {number}"]
        assert followed.read() == b""
    assert (client.state.job_logs(job.job_id) / "job.log").exists()


def test_what_was_kept_goes_with_its_worker(client: Client, home: Home, start: Start) -> None:
    """By itself when it ends; killed together with its spawner, by the next one's start."""
    worker = start()
    client.wait(client.enqueue("noop").job_id, timeout=20)
    eventually(lambda: [*home.state.spare_logs.iterdir()], 10, "a folder is kept")
    worker.end()
    assert not [*home.state.spare_logs.iterdir()]
    worker = start()
    client.wait(client.enqueue("noop").job_id, timeout=20)
    eventually(lambda: [*home.state.spare_logs.iterdir()], 10, "a folder is kept again")
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in (worker.spawner_pid, worker.pid):
            os.kill(pid, number)
    worker.process.wait(20)
    assert [*home.state.spare_logs.iterdir()]
    start()

    assert not [*home.state.spare_logs.iterdir()]
    assert said(client, "still here") == ["still here"]
