"""Lists: filters, their order, what programs get, and drawing them again and again."""

from __future__ import annotations

import json
import sys

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import eventually
from support.supervisor import Supervisor
from support.terminal import Terminal

from agentsd.cli.output import shorten
from agentsd.store import listing
from agentsd.store.cancel import request_cancel


def listed(agents: Agents, *options: str) -> list[str]:
    """The ids that a list shows to programs."""
    return [job["job_id"] for job in agents.ask("job", "list", *options)["jobs"]]


def test_jobs_are_filtered_by_what_they_are(agents: Agents) -> None:
    """Several conditions all have to hold; several phases are any of them."""
    one, two, three = agents.enqueue("noop"), agents.enqueue("echo", 1), agents.enqueue("sleep")
    agents("job", "cancel", one)

    assert listed(agents, "--phase", "noop") == [one]
    assert listed(agents, "--phase", "noop", "--phase", "sleep") == [three, one]
    assert listed(agents, "--phase", "noop", "--status", "queued") == []
    assert listed(agents, "--since", "1 h") == [three, two, one]
    assert listed(agents, "--since", "0 s") == []
    moment = agents.ask("job", "show", two)["created_at"]
    assert listed(agents, "--since", moment) == [three, two]
    assert agents("job", "list", "--worker", "ZZZZZZ").code == 3


def test_jobs_of_a_worker(agents: Agents, worker: Supervisor) -> None:
    """Those that it took."""
    job = agents.enqueue("noop")
    agents("job", "wait", job)

    assert listed(agents, "--worker", worker.row.worker_id) == [job]


def test_plans_are_filtered_by_state_and_time(agents: Agents, project: object) -> None:
    """And a list of them is watched as the others are."""
    plan = agents("plan", "create", "plan.yaml").out.strip()

    for options, found in (
        (("--status", "draft"), 1), (("--state", "draft"), 1), (("--status", "ready"), 0),
        (("--since", "1 h"), 1), (("--since", "0 s"), 0), (("--since", "1 h", "--status", "draft"), 1),
    ):  # fmt: skip
        assert [row["plan_id"] for row in agents.ask("plan", "list", *options)["plans"]] == [plan] * found
    assert agents("plan", "list", "--watch").code == 2


@pytest.mark.parametrize("wrong", ["yesterday", "2026-13-01", "99999999 d"])
def test_what_is_no_moment_is_refused(agents: Agents, wrong: str) -> None:
    """With what would be one."""
    said = agents("job", "list", "--since", wrong)

    assert said.code == 2
    assert "expected a time such as 2026-01-31T09:00, or how long ago" in said.err


def test_a_list_carries_no_results_unless_it_is_asked_to(agents: Agents, worker: Supervisor) -> None:
    """They may be large, and so may payloads."""
    job = agents.enqueue("echo", {"text": "x"})
    agents("job", "wait", job)

    (short,) = agents.ask("job", "list")["jobs"]
    (full,) = agents.ask("job", "list", "--full")["jobs"]
    assert full.keys() - short.keys() == {"payload_json", "result"}
    assert full["result"] == {"text": "x"}
    assert json.loads(full["payload_json"])["data"] == {"text": "x"}


def test_a_long_list_is_read_page_by_page(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is written before the next page is read; a limit is kept across pages."""
    ids = [agents.enqueue("noop") for _ in range(7)][::-1]
    monkeypatch.setattr(listing, "PAGE", 3)

    assert listed(agents) == ids
    assert listed(agents, "--limit", "4") == ids[:4]
    assert listed(agents, "--limit", "3") == ids[:3]
    with agents.home.connect() as client:
        pages = listing.walk_jobs(client.db, listing.JobFilter())
        first = [next(pages).job_id for _ in range(3)]
        agents("job", "cancel", *ids)
        agents("job", "prune", "--older-than", "0")
        assert (first, list(pages)) == (ids[:3], [])


def test_of_an_id_the_end_is_kept() -> None:
    """What is left still names it; of other words the beginning."""
    assert shorten("01JABCDEFGHJKMNPQRSTVWXYZ0", 9) == "…STVWXYZ0"
    assert shorten("a long sentence", 9) == "a long s…"


@pytest.mark.parametrize("what", ["job", "worker"])
def test_a_watched_list_is_drawn_again_until_control_c(
    agents: Agents, home: Home, terminal: list[Terminal], worker: Supervisor, what: str
) -> None:
    """On a screen of its own; it ends with 0 and says nothing."""
    watched = Terminal([str(AGENTS), what, "list", "--watch"], home.environ, home.root)
    terminal.append(watched)
    watched.wait_for_text("\x1b[?1049h", 20)
    job = agents.enqueue("sleep", {"seconds": 600})
    watched.wait_for_text(job if what == "job" else "1/4", 20)
    watched.press_control_c()

    assert watched.wait(20) == 0
    assert watched.screen.endswith("\x1b[?1049l")
    agents("job", "cancel", job, "--wait")
    eventually(lambda: agents.ask("job", "show", job)["finished_at"], 10, "it ends")


def test_a_screen_is_not_scrolled(agents: Agents, home: Home, terminal: list[Terminal]) -> None:
    """What does not fit is left out: it could not be drawn over."""
    for _ in range(3):
        agents("job", "enqueue", "noop", "--from-jsonl", "-", stdin="{}\n" * 30)
    watched = Terminal([str(AGENTS), "job", "list", "--watch"], home.environ, home.root)
    terminal.append(watched)
    watched.wait_for_text("\x1b[J", 20)
    watched.press_control_c()
    watched.wait(20)
    frame = watched.screen.partition("\x1b[H")[2].partition("\x1b[J")[0]

    assert frame.count("\n") < 40
    assert frame.lstrip().startswith("90 queued, 0 running"), "of those that are left out there is the number"
    assert "lines below" in frame


def test_a_long_list_ends_in_how_many_there_are(agents: Agents) -> None:
    """What is said before a table of 50 lines is off the screen when it ends."""
    agents("job", "enqueue", "noop", "--from-jsonl", "-", stdin="{}\n" * 60)
    said = agents("job", "list")

    assert said.out.count("\n") == 51
    assert said.err == (
        "The newest 50 are shown; --limit 0 shows all. "
        "In the store: 60 queued, 0 running, 0 succeeded, 0 failed, 0 cancelled.\n"
    )
    assert agents("job", "list", "--limit", "50").err == ""


def test_a_running_job_that_is_to_end_or_has_nobody_says_so(
    agents: Agents, home: Home, worker: Supervisor
) -> None:
    """Its row says running for as long as nobody can end it."""
    job = agents.enqueue("sleep", {"seconds": 600})
    eventually(lambda: agents.ask("job", "show", job)["started_at"], 20, "it runs")
    worker.freeze()
    with home.connect() as client, client.db.write() as tx:
        request_cancel(tx, job)
    assert "being cancelled" in agents("job", "list").out
    worker.kill()

    assert "worker is dead" in agents("job", "list").out


@pytest.mark.parametrize("options", [(), ("--format", "json")])
def test_nothing_is_watched_without_a_terminal(agents: Agents, options: tuple[str, ...]) -> None:
    """It would never end."""
    for what in ("job", "worker"):
        said = agents(what, "list", "--watch", *options)
        assert said.code == 2
        assert "--watch needs a terminal" in said.err + said.out


def test_json_lines_do_not_wait_for_the_end(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that has enough ends it, however long the list is."""
    for _ in range(3):
        agents.enqueue("noop")
    seen: list[str] = []

    class Enough:
        """Stands for stdout, and breaks after two lines."""

        encoding = "utf-8"

        def write(self, text: str) -> int:
            """Take a line."""
            if len(seen) == 2:
                raise BrokenPipeError
            seen.append(text)
            return len(text)

        def flush(self) -> None:
            """Nothing is kept back."""

        def isatty(self) -> bool:
            """No."""
            return False

    monkeypatch.setattr(listing, "PAGE", 1)
    monkeypatch.setattr("agentsd.cli.main._leave_broken_pipe", lambda: 0)
    from agentsd.cli.main import run  # noqa: PLC0415 - after the patch

    monkeypatch.setattr(sys, "stdout", Enough())

    assert run(["job", "list", "--format", "jsonl"]) == 0
    assert len(seen) == 2
