"""The jobs that a supervisor runs: from claim to end, one small step for each thing that is heard."""

from __future__ import annotations

import selectors
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from agentsd.errors import BadPayloadError
from agentsd.faults import reach
from agentsd.model import JSON, AsyncJob, AsyncJobStatus, Reason
from agentsd.store.claims import CancelRequest, Ending
from agentsd.store.settings import Settings
from agentsd.supervisor.ledger import Ledger
from agentsd.supervisor.notices import Listener, about
from agentsd.supervisor.orders import OrderBook
from agentsd.supervisor.output import last_lines
from agentsd.supervisor.running import RunningJob, Stage
from agentsd.supervisor.spawner import SpawnerProcess
from agentsd.supervisor.timers import Timers
from agentsd.supervisor.verdict import successor, verdict
from agentsd.workers.link import Message
from agentsd.workers.output import cut_logs

FORK_TRIES = 9
"""How often a failing fork is tried before the job ends ``spawn_failed``; the pauses add up to 25 s."""
FIRST_FORK_PAUSE = 0.1


@dataclass(slots=True)
class Fleet:
    """All running jobs of one supervisor, by job id."""

    book: OrderBook
    ledger: Ledger
    timers: Timers
    selector: selectors.BaseSelector
    listener: Listener
    settings: Settings
    on_progress: Callable[[RunningJob], None] = lambda _running: None
    spawner: SpawnerProcess | None = None
    """None while there is none: orders wait."""
    running: dict[str, RunningJob] = field(default_factory=dict[str, RunningJob])

    # -- from claim to go ---------------------------------------------------------------------------

    def take(self, job: AsyncJob) -> None:
        """A job was claimed: have its process forked."""
        try:
            running = self.book.prepare(job)
        except BadPayloadError as error:
            running = RunningJob(job=job, order_body=b"", handler="", timeout=0.0, rerun_safe=False)
            self.running[job.job_id] = running
            self._end_without_process(running, AsyncJobStatus.FAILED, Reason.BAD_PAYLOAD, str(error))
            return
        self.running[job.job_id] = running
        self._order(running)

    def _order(self, running: RunningJob) -> None:
        if self.spawner is None or running.stage is not Stage.CLAIMED:
            return
        self._unwatch(running)
        try:
            theirs = running.open_channel()
        except OSError as error:
            self._fork_failed(running, f"no channel to it: {error}")
            return
        assert running.channel is not None  # noqa: S101 - open_channel has just made it
        self.selector.register(running.channel, selectors.EVENT_READ, lambda: self._read(running))
        reach("fork.order")
        self.spawner.fork(self.book.order(running), running.order_body, theirs)
        running.stage = Stage.ORDERED

    def take_back(self) -> None:
        """The spawner is gone: what has not begun has no process any more, only its claim."""
        for running in self.running.values():
            if running.stage in (Stage.ORDERED, Stage.FORKED):
                running.stage = Stage.CLAIMED
                if running in self.ledger.starts:
                    self.ledger.starts.remove(running)

    def order_all(self, spawner: SpawnerProcess) -> None:
        """A new spawner is there: it gets every job whose handler has not begun."""
        self.spawner = spawner
        self.take_back()
        for running in self.running.values():
            if running.stage is Stage.CLAIMED and running.end_asked:
                self._end_without_process(running, *_ENDED_BEFORE_FORK[running.end_asked])
            self._order(running)

    def go(self, running: RunningJob) -> None:
        """The identity of the job's process is stored: its handler may begin."""
        if running.stage is Stage.FORKED and self.spawner is not None:
            running.stage = Stage.GOING
            self.spawner.arm(running.job.job_id, time.monotonic())
            reach("start.go")
            running.go()
            reach("start.gone")
            self.listener(about("job_started", running.job, pid=running.pid))

    def disown(self, running: RunningJob) -> None:
        """Others have ended the row: end the process, and drop what comes of it."""
        running.lost = True
        self.listener(about("ownership_lost", running.job, "warning"))
        self.end(running, "worker_lost", 0.0, signal.SIGKILL)

    # -- what is heard ------------------------------------------------------------------------------

    def hear(self, message: Message) -> None:
        """One message of the spawner."""
        running = self.running.get(message.get("job_id", ""))
        match message["op"]:
            case "forked" if running is not None:
                reach("start.heard")
                running.pid, running.pid_start, running.stage = message["pid"], message["start"], Stage.FORKED
                self.ledger.starts.append(running)
            case "fork_failed" if running is not None:
                self._fork_failed(running, message["error"])
            case "ended" if running is not None:
                self.ended(running, message)
            case "unkillable" if running is not None:
                self.cannot_be_ended(running, message["processes"])
            case _:
                pass

    def _read(self, running: RunningJob, *, all_of_it: bool = False) -> None:
        if not running.read_channel(all_of_it=all_of_it):
            self._unwatch(running)
        if running.progress_is_new:
            running.progress_is_new = False
            self.on_progress(running)
            if running not in self.ledger.progress:
                self.ledger.progress.append(running)

    def _unwatch(self, running: RunningJob) -> None:
        if running.channel is not None:
            self.selector.unregister(running.channel)
            running.close_channel()

    def _fork_failed(self, running: RunningJob, error: str) -> None:
        """The claim is held and the fork tried again: a full process table is not the job's fault."""
        running.stage = Stage.CLAIMED
        running.fork_attempts += 1
        self._unwatch(running)
        if running in self.ledger.starts:
            self.ledger.starts.remove(running)
        if running.end_asked:
            self._end_without_process(running, *_ENDED_BEFORE_FORK[running.end_asked])
        elif running.fork_attempts >= FORK_TRIES:
            self._end_without_process(
                running,
                AsyncJobStatus.FAILED,
                Reason.SPAWN_FAILED,
                f"No process could be started for it in {FORK_TRIES} tries: {error}.",
            )
        else:
            pause = FIRST_FORK_PAUSE * 2 ** (running.fork_attempts - 1)
            self.listener(about("fork_failed", running.job, "warning", error=error, again_in=pause))
            self.timers.set(f"fork {running.job.job_id}", pause, lambda: self._order(running))

    def cannot_be_ended(self, running: RunningJob, processes: list[dict[str, JSON]]) -> None:
        """KILL does not end these processes of a job: it stays as it is, and its slot taken, until they end."""
        running.unkillable = processes
        self.ledger.notes.append((running, {"event": "unkillable", "processes": processes}))
        self.listener(about("unkillable", running.job, "error", processes=processes))

    def ended(self, running: RunningJob, message: Message) -> None:
        """Nothing is left of the job's tree: its end can be written."""
        self._read(running, all_of_it=True)
        self._unwatch(running)
        reach("finish.heard")
        if running in self.ledger.starts:  # it died before its identity was stored
            self.ledger.starts.remove(running)
        running.ended, running.stage = message, Stage.ENDED
        log_dir = self.book.db.state.job_logs(running.job.job_id)
        cut_logs(str(log_dir), self.settings.log_limit)
        ending = verdict(running, max_attempts=self.settings.max_attempts, rerun_safe=running.rerun_safe)
        if ending.status is not AsyncJobStatus.SUCCEEDED and (lines := last_lines(log_dir)):
            ending = replace(ending, detail={**ending.detail, "last_lines": lines})
        self.ledger.endings.append((running, ending))

    def _end_without_process(
        self, running: RunningJob, status: AsyncJobStatus, reason: Reason, error: str
    ) -> None:
        """The end of a job whose process never was."""
        running.stage = Stage.ENDED
        self.timers.cancel(f"fork {running.job.job_id}")
        next_job = successor(
            running.job,
            status,
            reason,
            max_attempts=self.settings.max_attempts,
            rerun_safe=running.rerun_safe or reason is Reason.INTERRUPTED,
        )
        ending = Ending(job=running.job, status=status, reason=reason, error=error, successor=next_job)
        self.ledger.endings.append((running, ending))

    def is_stuck(self) -> bool:
        """Whether only jobs are left that KILL cannot end."""
        left = [running for running in self.running.values() if running.stage is not Stage.ENDED]
        return bool(left) and all(running.unkillable for running in left)

    # -- ending -------------------------------------------------------------------------------------

    def obey(self, requests: Mapping[str, CancelRequest | None]) -> None:
        """What the store says of the own jobs: cancels that are asked for, and rows that others ended."""
        for job_id, running in list(self.running.items()):
            if running.stage is Stage.ENDED or running.lost:
                continue
            if job_id not in requests:
                self.disown(running)
                continue
            request = requests[job_id]
            if request is not None and request != running.cancel:
                self.cancel(running, request)

    def cancel(self, running: RunningJob, request: CancelRequest) -> None:
        """Somebody wants this job to end."""
        reach("cancel.heard")
        running.cancel = request
        self.ledger.beat_due = True  # whoever asked sees that this supervisor has heard
        first = signal.Signals[f"SIG{request.signal}"] if request.signal else signal.SIGTERM
        self.listener(about("job_cancelling", running.job, by=request.by))
        self.end(running, "cancelled", self.settings.cancel_grace, first)

    def end(
        self, running: RunningJob, cause: str, grace: float, first: signal.Signals = signal.SIGTERM
    ) -> None:
        """Begin the ladder, or climb it faster."""
        running.end_asked = running.end_asked or cause
        if running.stage is Stage.CLAIMED:
            self._end_without_process(running, *_ENDED_BEFORE_FORK[running.end_asked])
        elif running.stage is not Stage.ENDED and self.spawner is not None:
            self.spawner.end(running.job.job_id, cause, grace, first)

    def end_all(self, cause: str, grace: float, first: signal.Signals = signal.SIGTERM) -> None:
        """End every running job."""
        for running in list(self.running.values()):
            self.end(running, cause, grace, first)

    def forget(self, running: RunningJob) -> None:
        """The end is written."""
        self._unwatch(running)
        self.running.pop(running.job.job_id, None)


_ENDED_BEFORE_FORK = {
    "cancelled": (AsyncJobStatus.CANCELLED, Reason.CANCELLED, "Cancelled before its process was started."),
    "shutdown": (
        AsyncJobStatus.FAILED,
        Reason.INTERRUPTED,
        "The worker was shut down before it was started.",
    ),
    "worker_lost": (AsyncJobStatus.FAILED, Reason.WORKER_LOST, "Its worker lost it before it was started."),
}
