"""``agents top``: what it shows, and cancelling from it; driven as by a person at the keys."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from rich.text import Text
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import PATIENCE, eventually
from support.supervisor import Supervisor
from support.terminal import Terminal
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from agentsd.cli.top import snapshot
from agentsd.cli.top.app import Sure, Top

Script = Callable[[Top, "Pilot[None]"], Awaitable[None]]


def run(home: Home, script: Script, columns: int = 120) -> None:
    """Run the application without a terminal, and *script* beside it."""

    async def play(app: Top) -> None:
        async with app.run_test(size=(columns, 40)) as pilot:
            await pilot.pause()
            await script(app, pilot)

    with home.connect() as client:
        asyncio.run(play(Top(client, every=0.1)))


def words(app: Top, name: str) -> str:
    """What one part of the screen says."""
    return str(app.query_one(name, Static).render())


def rows(app: Top) -> list[list[str]]:
    """The table of jobs, as text."""
    table = cast("DataTable[Text]", app.query_one("#jobs", DataTable))
    return [[str(cell) for cell in table.get_row_at(number)] for number in range(table.row_count)]


async def until(look: Callable[[], object], pilot: Pilot[None], what: str) -> None:
    """Wait for something on the screen."""
    for _ in range(int(400 * PATIENCE)):
        if look():
            return
        await pilot.pause(0.05)
    raise AssertionError(f"not on the screen: {what}")


def test_it_shows_workers_jobs_processes_and_output(agents: Agents, home: Home, worker: Supervisor) -> None:
    """Of the job that the cursor is on; what ends meanwhile is seen to end."""
    queued = agents("job", "enqueue", "noop", "--hold").out.strip()
    running = agents.enqueue("tree", {"seconds": 600})
    eventually(lambda: agents.ask("job", "show", running)["progress"], 20, "all of the tree runs")
    (home.state.job_logs(running) / "01-talk.log").write_text("words of the job\n")

    async def script(app: Top, pilot: Pilot[None]) -> None:
        assert [row[0] for row in rows(app)] == ["…" + running[-8:], "…" + queued[-8:]]
        assert rows(app)[1][7] == "held"
        assert int(rows(app)[0][4]) > 1
        assert "alive, 1 of 4 slots" in words(app, "#workers")
        assert "1 queued, 1 running" in words(app, "#workers")
        assert re.search(r"itself \d+ % [\d.]+ MiB", words(app, "#workers")), "what the worker itself uses"
        assert f"agents job {running}" in words(app, "#tree")
        await until(lambda: "words of the job" in words(app, "#log"), pilot, "the output")
        await pilot.press("down")
        await until(lambda: words(app, "#tree") == "No process.", pilot, "the other job's processes")
        assert app.chosen().job_id == queued  # pyright: ignore[reportOptionalMemberAccess]
        with home.connect() as client:
            client.cancel(running)
        await until(lambda: rows(app)[1][2] == "cancelled", pilot, "the end of the first job")
        assert app.chosen().job_id == queued  # pyright: ignore[reportOptionalMemberAccess]

    run(home, script)


def test_a_full_queue_hides_nothing_that_runs(
    agents: Agents, home: Home, worker: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs is older than what waits; and the cursor at the top does not follow a job to the end of the list."""
    monkeypatch.setattr(snapshot, "ACTIVE", 3)
    running = [agents.enqueue("tree", {"seconds": 600}), agents.enqueue("tree", {"seconds": 600})]
    for job in running:
        eventually(lambda job=job: agents.ask("job", "show", job)["progress"], 20, "all of the tree runs")
    waiting = [agents("job", "enqueue", "noop", "--hold").out.strip() for _ in range(5)]

    async def script(app: Top, pilot: Pilot[None]) -> None:
        ids = [*reversed(running), *reversed(waiting[2:])]
        assert [row[0] for row in rows(app)] == ["…" + job[-8:] for job in ids]
        with home.connect() as client:
            client.cancel(running[1])
        await until(lambda: rows(app)[-1][2] == "cancelled", pilot, "the end of the newest")
        assert app.chosen().job_id == running[0]  # pyright: ignore[reportOptionalMemberAccess]

    run(home, script)


def test_a_job_is_cancelled_after_a_question(agents: Agents, home: Home, worker: Supervisor) -> None:
    """`n` and Escape change nothing; `y` ends the job with all its processes."""
    job = agents.enqueue("tree", {"seconds": 600})
    eventually(lambda: agents.ask("job", "show", job)["progress"], 20, "all of the tree runs")

    async def script(app: Top, pilot: Pilot[None]) -> None:
        for key in ("n", "escape"):
            await pilot.press("c")
            await until(lambda: isinstance(app.screen, Sure), pilot, "the question")
            assert f"Cancel job {job} (tree) and its " in str(
                app.screen.query_one("#question", Static).render()
            )
            await pilot.press(key)
            await until(lambda: not isinstance(app.screen, Sure), pilot, "the table")
        with home.connect() as client:
            assert client.get(job).cancel_requested_at is None
        await pilot.press("c", "y")
        await until(lambda: rows(app)[0][2] == "cancelled", pilot, "the end of the job")
        assert rows(app)[0][4] == ""
        await pilot.press("c")
        assert not isinstance(app.screen, Sure)

    run(home, script)
    assert agents.ask("job", "show", job)["cancel_reason"] == "agents top"


def test_a_cancel_that_comes_too_late_is_said(agents: Agents, home: Home) -> None:
    """As a message on the screen; it goes on."""
    job = agents.enqueue("noop")
    told: list[str] = []

    def tell(message: str, **_: object) -> None:
        told.append(message)

    async def script(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Sure), pilot, "the question")
        app.notify = tell  # pyright: ignore[reportAttributeAccessIssue]
        with home.connect() as client:
            client.cancel(job)
        await pilot.press("y")
        await until(lambda: told, pilot, "why not")

    run(home, script)
    assert f"Job {job} is cancelled" in told[0]


def test_all_of_the_table_fits_80_columns(agents: Agents, home: Home, worker: Supervisor) -> None:
    """Whatever a job waits for, and however large it is: what is beyond the edge nobody sees."""
    running = agents.enqueue("tree", {"seconds": 600})
    agents("job", "enqueue", "close-all", "--after", running)
    cancelled = agents("job", "enqueue", "noop", "--hold").out.strip()
    agents("job", "cancel", cancelled)
    eventually(lambda: agents.ask("job", "show", running)["progress"], 20, "all of the tree runs")

    async def script(app: Top, pilot: Pilot[None]) -> None:
        await until(lambda: rows(app)[0][4], pilot, "the processes")
        assert app.query_one("#jobs", DataTable).virtual_size.width <= 80
        assert rows(app)[1][7] == f"after …{running[-6:]}"
        assert f"agents job …{running[-8:]} tree" in words(app, "#tree")

    run(home, script, columns=80)


def test_an_empty_store_says_how_to_begin(home: Home) -> None:
    """And has nothing to cancel."""

    async def script(app: Top, pilot: Pilot[None]) -> None:
        assert "agents worker start" in words(app, "#workers")
        assert app.chosen() is None
        await pilot.press("c", "r")
        assert not isinstance(app.screen, Sure)

    run(home, script)


# -- in a terminal, and without one -----------------------------------------------------------------


def test_in_a_real_terminal_it_begins_and_ends(agents: Agents, home: Home, terminal: list[Terminal]) -> None:
    """The screen is the old one afterwards, and the exit code 0."""
    job = agents.enqueue("noop")
    screen = Terminal([str(AGENTS), "top"], home.environ, home.root)
    terminal.append(screen)
    screen.wait_for_text(job[-8:], 60)
    screen.press("q")

    assert screen.wait(30) == 0
    assert screen.screen.rindex("\x1b[?1049l") > screen.screen.rindex("\x1b[?1049h")


def test_without_a_terminal_it_says_what_to_use(agents: Agents) -> None:
    """A program has lists."""
    for options in ((), ("--format", "json")):
        said = agents("top", *options)
        assert said.code == 2
        assert "needs a terminal" in said.out + said.err


def test_without_the_library_it_says_how_to_install_it(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line."""
    monkeypatch.setattr("agentsd.cli.top.command.is_terminal", bool)
    monkeypatch.delitem(sys.modules, "agentsd.cli.top.app", raising=False)
    monkeypatch.setitem(sys.modules, "textual", None)
    monkeypatch.setitem(sys.modules, "textual.app", None)
    said = agents("top")

    assert said.code == 1
    assert said.err == "Error: agents top needs textual, which is not installed: pip install 'agentsd[top]'\n"
