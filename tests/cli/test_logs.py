"""The output of several jobs at once, and choosing what of it."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd.cli.job.merged import Merger
from agentsd.model import AsyncJob
from agentsd.store import logs


def write(home: Home, job_id: str, name: str, text: str) -> None:
    """Put a file into the log directory of a job."""
    place = home.state.job_logs(job_id)
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(text)


def test_lines_of_several_jobs_begin_with_whose_they_are(agents: Agents, home: Home) -> None:
    """The end of the id, which names the job, and the step."""
    one, two = agents.enqueue("noop"), agents.enqueue("noop")
    write(home, one, "job.log", "first\nlast")
    write(home, two, "01-build.log", "made\n")
    said = agents("job", "logs", one, two).out.splitlines()

    assert said == [
        f"{one[-6:]} job      | first",
        f"{one[-6:]} job      | last",
        f"{two[-6:]} 01-build | made",
    ]
    data = agents.ask("job", "logs", one, two)
    assert [[file["file"] for file in job["files"]] for job in data["jobs"]] == [
        ["job.log"],
        ["01-build.log"],
    ]
    lines = agents("job", "logs", one, two, "--tail", "1", "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"job_id": one, "file": "job.log", "text": "last"},
        {"job_id": two, "file": "01-build.log", "text": "made\n"},
    ]


def test_several_jobs_are_followed_until_all_have_ended(
    agents: Agents, home: Home, worker: Supervisor
) -> None:
    """What they write meanwhile is shown in whole lines, of new steps too."""
    ways = [
        {name: str(home.root / f"{name}-{number}") for name in ("gate", "entered")} for number in range(2)
    ]
    ids = [agents.enqueue("gate", way) for way in ways]
    for way in ways:
        eventually(lambda path=way["entered"]: os.path.exists(path), 20, "both run")  # noqa: PTH110
    write(home, ids[0], "job.log", "before\n")

    def meanwhile() -> None:
        eventually(threads_follow.is_set, 20, "they are followed")
        write(home, ids[1], "01-new.log", "new\n")
        for way in ways:
            with open(way["gate"], "w"):  # noqa: PTH123
                pass

    threads_follow = threading.Event()
    follow_all = logs.follow_all

    def noted(*args: object, **more: object) -> object:
        threads_follow.set()
        return follow_all(*args, **more)  # pyright: ignore[reportArgumentType]

    other = threading.Thread(target=meanwhile)
    other.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "follow_all", noted)
        said = agents("job", "logs", "-f", *ids)
    other.join()

    assert f"{ids[0][-6:]} job | before\n" in said.out
    assert f"{ids[1][-6:]} 01-new | new\n" in said.out
    assert all(agents.ask("job", "show", job)["status"] == "succeeded" for job in ids)
    whole = agents.ask("job", "logs", "-f", *ids)["jobs"]
    assert [job["job_id"] for job in whole] == ids
    lines = agents("job", "logs", "-f", *ids, "--step", "job", "--format", "jsonl")
    assert lines.code in (0, 2)


def test_a_line_is_written_when_it_is_whole(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Two jobs that write at once do not mix within a line."""
    merger = Merger(["J" * 26, "K" * 26])
    merger.take("J" * 26, Path("job.log"), b"be")
    merger.take("K" * 26, Path("job.log"), b"other\n")
    merger.take("J" * 26, Path("job.log"), b"gun\nrest")
    merger.flush()

    assert capfdbinary.readouterr().out.splitlines() == [
        b"KKKKKK job | other",
        b"JJJJJJ job | begun",
        b"JJJJJJ job | rest",
    ]


def test_since_chooses_the_files_that_were_written_to(agents: Agents, home: Home) -> None:
    """The lines themselves have no times."""
    job, other = agents.enqueue("noop"), agents.enqueue("noop")
    write(home, job, "01-old.log", "old\n")
    write(home, job, "02-new.log", "new\n")
    hour_ago = time.time() - 3600
    os.utime(home.state.job_logs(job) / "01-old.log", (hour_ago, hour_ago))

    assert agents("job", "logs", job, "--since", "10 m").out == "new\n"
    assert "old" in agents("job", "logs", job, "--since", "2 h").out
    assert agents("job", "logs", job, other, "--since", "10 m").out == f"{job[-6:]} 02-new | new\n"
    agents("job", "cancel", job)
    assert agents("job", "logs", "-f", job, "--since", "10 m").out == "==> 02-new <==\nnew\n"


def test_the_history_is_a_timeline(agents: Agents, worker: Supervisor) -> None:
    """Each event and each stage of the ladder says how long after the beginning it was."""
    job = agents("job", "enqueue", "sleep", "--payload", '{"seconds": 600}', "--timeout", "0.2").out.strip()
    assert agents("job", "wait", job).code == 124
    lines = agents("job", "show", job).out.splitlines()
    history = lines[lines.index("History") + 1 :]

    assert "+0 s  queued  by " in history[0]
    assert any(line.rstrip().endswith("TERM") and " +" in line for line in history)
    assert not any("ladder" in line for line in history)


def test_the_steps_of_a_plan_are_shown_with_its_job(agents: Agents, project: object) -> None:
    """As lines, and not as the JSON that they are kept in."""
    plan = agents("plan", "create", "plan.yaml").out.strip()
    agents("plan", "execute", plan)
    job = agents.ask("plan", "status", plan)["job"]["job_id"]
    shown = agents("job", "show", job).out

    assert "+ version  succeeded" in shown
    assert '"steps"' not in shown.partition("Result")[0]


def test_waiting_draws_its_line_again_as_time_goes_by(
    agents: Agents, worker: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although nothing of the job changes."""
    shown: list[str] = []
    monkeypatch.setattr("agentsd.cli.job.wait.TICK", 0.05)

    def show(_line: object, job: AsyncJob) -> None:
        shown.append(job.status)

    monkeypatch.setattr("agentsd.cli.progress.ProgressLine.show_job", show)
    job = agents.enqueue("sleep", {"seconds": 0.5})

    assert agents("job", "wait", job).code == 0
    assert shown.count("running") > 2
    assert (
        "did not end within 0.2 s"
        in agents("job", "wait", agents.enqueue("sleep", {"seconds": 600}), "--timeout", "0.2").err
    )
    agents("job", "cancel", "--all", "--wait")


def test_a_long_result_leaves_the_rest_in_sight(agents: Agents, worker: Supervisor) -> None:
    """And says where all of it is; of a plan only what it changed is said."""
    job = agents.enqueue("echo", list(range(100)))
    agents("job", "wait", job)
    shown = agents("job", "show", job).out

    assert f"… 82 more lines: agents job show {job} --format json" in shown
    assert "History" in shown


def test_a_step_that_fails_shows_no_python(agents: Agents, project: Path) -> None:
    """Neither in the output nor in what is said of the job: it is no mistake in anybody's Python."""
    (project / "plan.yaml").write_text("name: fail\nsteps:\n  - {name: test, run: 'echo oh no; exit 3'}\n")
    plan = agents("plan", "create", "plan.yaml").out.strip()
    assert agents("plan", "execute", plan).code == 1
    job = agents.ask("plan", "status", plan)["job"]["job_id"]

    for words in (("job", "show"), ("job", "logs"), ("job", "explain")):
        said = agents(*words, job).out
        assert "Traceback" not in said
        assert "oh no" in said
    assert "changed: nothing" in agents("job", "show", job).out
