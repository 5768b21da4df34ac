"""The screen of ``agents top``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from agentsd.cli.checks.finding import Seen
from agentsd.cli.output import printable, short_ids, shorten
from agentsd.cli.top.snapshot import Snapshot, look
from agentsd.cli.words import STATE_STYLES, ago, took, why
from agentsd.errors import AgentsError
from agentsd.model import AsyncJob
from agentsd.store.logs import last_text
from agentsd.store.units import format_bytes, format_seconds
from agentsd.supervisor.client import connect

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client

HEADINGS = ("JOB", "PHASE", "STATUS", "TIME", "PROCS", "CPU", "RSS", "REASON")
ID_ROOM, REASON_ROOM, OTHERS = 9, 13, 73
"""Columns of an id (its end), of a reason, and of all but the phase, which has the rest."""
WIDE = 100
"""Columns of a screen on which ids stand whole."""
LEAST_PHASE, MOST_PHASE = 7, 24
"""With the least, all of the table fits 80 columns."""
LOG_LINES = 200
"""Lines of the selected job's output that are read; the screen shows the last that fit."""


class Sure(ModalScreen[bool]):
    """Asks before something is ended."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]
    CSS = """
    Sure { align: center middle; }
    #question { width: auto; max-width: 76; height: auto; padding: 1 2; border: heavy $warning; background: $surface; }
    """

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """The question."""
        yield Static(Text(f"{self._question}\n\ny  yes    n  no"), id="question")

    def action_answer(self, yes: bool) -> None:
        """Take the answer."""
        self.dismiss(yes)


class Top(App[None]):
    """Workers, jobs, the processes of the selected job, and its last output."""

    TITLE = "agents top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("c", "cancel_job", "Cancel the job"),
        Binding("r", "look", "Look now"),
    ]
    CSS = """
    #workers { height: auto; max-height: 6; }
    #jobs { height: 1fr; }
    #below { height: auto; }
    #tree { height: auto; max-height: 9; border-top: solid $primary; text-wrap: nowrap; text-overflow: ellipsis; }
    #log { height: 8; border-top: solid $primary; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, client: Client, *, every: float) -> None:
        """*every*: seconds between two looks."""
        super().__init__()
        self._client, self._every = client, every
        self.seen = Snapshot()
        self._workers_box, self._tree_box, self._log_box = (
            Static(id=name) for name in ("workers", "tree", "log")
        )
        self._jobs_box: DataTable[Text] = DataTable(id="jobs", cursor_type="row", zebra_stripes=True)

    def compose(self) -> ComposeResult:
        """The parts, from top to bottom."""
        yield self._workers_box
        yield self._jobs_box
        with Vertical(id="below"):
            yield self._tree_box
            yield self._log_box
        yield Footer()

    def on_mount(self) -> None:
        """Look for the first time, and from then on again and again."""
        self._jobs_box.add_columns(*HEADINGS)
        self._jobs_box.focus()
        self.action_look()
        self.set_interval(self._every, self.action_look)

    # -- looking ------------------------------------------------------------------------------------

    def action_look(self) -> None:
        """Read everything anew and draw it; nothing any more when the screen is being taken apart."""
        if not self._jobs_box.is_attached:
            return
        chosen = self.chosen()
        self.seen = look(self._client, self.seen)
        self._draw_workers()
        self._draw_jobs(chosen.job_id if chosen else None)
        self._draw_below()

    def chosen(self) -> AsyncJob | None:
        """The job that the cursor is on."""
        row = self._jobs_box.cursor_row
        return self.seen.jobs[row] if 0 <= row < len(self.seen.jobs) else None

    def on_data_table_row_highlighted(self) -> None:
        """The cursor has moved."""
        self._draw_below()

    def _draw_workers(self) -> None:
        words = ", ".join(f"{number} {status}" for status, number in self.seen.counts.items())
        text = Text(f"{words}\n", style="bold")
        for row, health in self.seen.workers:
            share, memory = self.seen.own_usage(row.worker_id)
            text.append(f"worker {shorten(row.worker_id, ID_ROOM)} (pid {row.pid}) ")
            text.append(health, style=STATE_STYLES.get(health, ""))
            text.append(f", {row.running} of {row.max_workers} slots, {row.jobs_processed} done")
            text.append(f", itself {share:.0f} % {format_bytes(memory)}\n" if memory else "\n", style="dim")
        if not self.seen.workers:
            text.append("No worker is running. Start one: agents worker start\n", style="yellow")
        self._workers_box.update(text)

    def _draw_jobs(self, chosen: str | None) -> None:
        """All rows anew; the cursor stays on its job, wherever that is now.

        At the top it stays at the top, on what runs: with its job's end it would leave for the far end of the list.
        """
        table = self._jobs_box
        where = table.cursor_row
        table.clear()
        for number, job in enumerate(self.seen.jobs):
            table.add_row(*self._cells(job))
            if where and job.job_id == chosen:
                where = number
        table.move_cursor(row=min(where, max(0, len(self.seen.jobs) - 1)))

    def _cells(self, job: AsyncJob) -> list[Text]:
        number, share, memory = self.seen.usage(job.job_id)
        use = (str(number), f"{share:.0f} %", format_bytes(memory)) if number else ("", "", "")
        left = [
            Text(shorten(job.job_id, ID_ROOM)),
            Text(shorten(printable(job.phase), max(LEAST_PHASE, min(MOST_PHASE, self.size.width - OTHERS)))),
            Text(job.status, style=STATE_STYLES.get(job.status, "")),
        ]
        right = [_time(job), *(Text(cell, justify="right") for cell in use)]
        return [*left, *right, Text(shorten(printable(why(job)), REASON_ROOM))]

    def _draw_below(self) -> None:
        """The processes and the output of the job that the cursor is on."""
        job = self.chosen()
        tree, log = Text(), Text()
        for each in self.seen.tree(job.job_id if job else None):
            used = f"{self.seen.cpu.get(each.pid, 0.0):4.0f} %  {format_bytes(each.rss_bytes):>10}"
            age = format_seconds(round(each.age_s))
            tree.append(f"{each.pid:>8}  {used}  {age:>8}  {'  ' * each.depth}{self._title(each)}\n")
        lines = last_text(self._client.state.job_logs(job.job_id), LOG_LINES) if job else []
        room = max(1, self._log_box.size.height)
        log.append("\n".join(printable(line) for line in lines[-room:]) or "There is no output.")
        self._tree_box.update(tree or Text("No process."))
        self._log_box.update(log)

    def _title(self, process: Seen) -> str:
        title = printable(process.title)
        return short_ids(title) if self.size.width < WIDE else title

    # -- cancelling ---------------------------------------------------------------------------------

    def action_cancel_job(self) -> None:
        """Ask, and then cancel the job that the cursor was on when the key was pressed."""
        job = self.chosen()
        if job is None or job.status.is_terminal:
            self.notify("Only a job that is queued or running can be cancelled.", severity="warning")
            return
        number = len(self.seen.tree(job.job_id))
        processes = f" and its {number} process{'es' * (number > 1)}" if number else ""
        question = f"Cancel job {job.job_id} ({printable(job.phase)}){processes}?"
        self.push_screen(Sure(question), lambda yes: self._cancel(job.job_id) if yes else None)

    def _cancel(self, job_id: str) -> None:
        """In a thread with a connection of its own: it may wait for the worker, and the screen goes on."""
        self.run_worker(lambda: self._ask_for_the_end(job_id), thread=True, exclusive=False)

    def _ask_for_the_end(self, job_id: str) -> None:
        try:
            with connect() as client:
                heard = client.cancel(job_id, reason="agents top").acknowledged
            said = (
                f"Job {job_id} is being cancelled."
                if heard
                else f"The worker of job {job_id} does not react."
            )
            self.call_from_thread(self.notify, said, severity="information" if heard else "warning")
        except AgentsError as error:
            self.call_from_thread(self.notify, str(error), severity="error")
        self.call_from_thread(self.action_look)


def _time(job: AsyncJob) -> Text:
    """How long a job ran, or runs; dim, how long it has waited."""
    if job.started_at is None:
        return Text(ago(job.created_at), justify="right", style="dim")
    return Text(took(job), justify="right")
