"""The jobs that a supervisor runs: from claim to end, one small step for each thing that is heard."""

from __future__ import annotations

import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from agentsd.faults import reach
from agentsd.model import JSON, AsyncJobStatus, Reason
from agentsd.store.claims import CancelRequest, Ending
from agentsd.store.settings import Settings
from agentsd.supervisor.ledger import Ledger
from agentsd.supervisor.notices import Listener, Notice, about
from agentsd.supervisor.orders import OrderBook
from agentsd.supervisor.output import last_lines
from agentsd.supervisor.running import ReadyProcess, RunningJob, Stage
from agentsd.supervisor.spawner import SpawnerProcess
from agentsd.supervisor.timers import Timers
from agentsd.supervisor.verdict import successor, verdict
from agentsd.workers.link import Message
from agentsd.workers.order import Order
from agentsd.workers.output import cut_logs

TRIES = 9
"""How often a claimed job gets no process, or one that dies before it begins, until it ends ``spawn_failed``; some 20 s."""
FIRST_PAUSE = 0.1


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
    """None while there is none: claimed jobs wait."""
    led: list[tuple[RunningJob, Order]] = field(default_factory=list[tuple[RunningJob, Order]])
    """Jobs whose process gets its order as soon as the spawner has been told."""
    running: dict[str, RunningJob] = field(default_factory=dict[str, RunningJob])

    @property
    def ready(self) -> deque[ReadyProcess]:
        """The processes that wait for a job, the oldest first."""
        return self.ledger.ready

    # -- from claim to go ---------------------------------------------------------------------------

    def take(self, running: RunningJob) -> None:
        """A job was claimed, mostly together with a process, whose identity is stored then."""
        self.running[running.job.job_id] = running
        if running.refused:
            self._end_without_process(running, AsyncJobStatus.FAILED, Reason.BAD_PAYLOAD, running.refused)
        elif running.process is not None:
            self.ready.remove(running.process)
            self.lead(running)

    @property
    def waiting(self) -> list[RunningJob]:
        """Jobs that are claimed and have no process: that of the foreground at first, and those whose process died."""
        return [running for running in self.running.values() if running.stage is Stage.CLAIMED]

    @property
    def lacking(self) -> int:
        """How many jobs need a process of those that wait, or have one that the spawner still takes for one of them."""
        return sum(running.stage in (Stage.CLAIMED, Stage.MATCHED) for running in self.running.values())

    def match(self) -> None:
        """Give the processes that wait to the jobs that wait; they begin when that is stored."""
        for running in self.waiting:
            if not self.ready:
                return
            if not self.timers.is_set(_again(running)):
                running.match(self.ready.popleft())
                self.ledger.starts.append(running)

    def lead(self, running: RunningJob) -> None:
        """The identity of the job's process is stored: tell the spawner what it is from now on."""
        if running.stage is not Stage.MATCHED or self.spawner is None or running.process is None:
            return
        running.stage = Stage.LED
        order = self.book.order(running)
        self.spawner.lead(order, running.process.pid, time.monotonic())
        self.led.append((running, order))

    def give_orders(self) -> None:
        """The spawner has been told: let those handlers begin.

        Not before: a process that ended at once would be taken for one that stood by.
        """
        led, self.led = self.led, []
        for running, order in led:
            if running.stage is not Stage.LED:
                continue
            reach("start.go")
            running.give_order(order.to_bytes(running.order_body))
            reach("start.gone")
            self._watch(running)
            self.listener(about("job_started", running.job, pid=running.pid))

    def use(self, spawner: SpawnerProcess | None) -> None:
        """From now on this spawner; None: there is none. What stood by in the last one is gone."""
        self.spawner = spawner
        self.led.clear()
        self.dismiss()
        for running in self.running.values():
            # One whose order has not gone out whole has not begun either.
            if running.stage in (Stage.MATCHED, Stage.LED) or running.unsent:
                self._part(running)
                if running.end_asked:
                    self._end_without_process(running, *_ENDED_BEFORE_IT_BEGAN[running.end_asked])

    def dismiss(self) -> None:
        """What stood by is gone, or is to go."""
        while self.ready:
            self.ready.popleft().channel.close()

    def _part(self, running: RunningJob) -> None:
        """Its process is gone: the job waits for another one."""
        self._unwatch(running)
        running.part()
        self.ledger.parted.append(running)
        if running in self.ledger.starts:
            self.ledger.starts.remove(running)

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
            case "ready":
                self._ready(message)
            case "gone":
                self._gone(message["pid"], message["error"])
            case "fork_failed":
                self._fork_failed(message["error"], message["again_in"])
            case "not_begun" if running is not None:
                self._not_begun(running, message["error"])
            case "ended" if running is not None:
                self.ended(running, message)
            case "unkillable" if running is not None:
                self.cannot_be_ended(running, message["processes"])
            case _:
                pass

    def _ready(self, message: Message) -> None:
        reach("start.heard")
        channel = message["channel"]
        if channel is None:  # no descriptor left: it ends, as nobody can reach it, and another one is forked
            return
        channel.setblocking(False)
        self.ready.append(ReadyProcess(message["pid"], message["start"], channel))

    def _gone(self, pid: int, error: str) -> None:
        if error:
            self.listener(Notice("standby_lost", {"pid": pid, "error": error}, "warning"))
        for process in [process for process in self.ready if process.pid == pid]:
            process.channel.close()
            self.ready.remove(process)
        for running in self.running.values():
            if running.stage is Stage.MATCHED and running.pid == pid:
                self._part(running)

    def _fork_failed(self, error: str, again_in: float) -> None:
        """Nothing is claimed for a process that is not there; a job that is already, waits: a full process table is not its fault."""
        self.listener(Notice("fork_failed", {"error": error, "again_in": again_in}, "warning"))
        for running in self.waiting:
            self._count_failure(running, error)

    def _not_begun(self, running: RunningJob, error: str) -> None:
        """Its process died before its handler could begin: the claim is held, and it gets another one after a pause."""
        self._part(running)
        if running.end_asked:
            self._end_without_process(running, *_ENDED_BEFORE_IT_BEGAN[running.end_asked])
        elif self._count_failure(running, error):
            pause = FIRST_PAUSE * 2 ** (running.failures - 1)
            self.listener(about("not_begun", running.job, "warning", error=error, again_in=pause))
            self.timers.set(_again(running), pause, lambda: None)

    def _count_failure(self, running: RunningJob, error: str) -> bool:
        """Returns whether it is tried again."""
        running.failures += 1
        if running.failures < TRIES:
            return True
        self._end_without_process(
            running,
            AsyncJobStatus.FAILED,
            Reason.SPAWN_FAILED,
            f"No process could be started for it in {TRIES} tries: {error}.",
        )
        return False

    def _watch(self, running: RunningJob) -> None:
        if running.channel is not None:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if running.unsent else 0)
            self.selector.register(running.channel, events, lambda: self._read(running))

    def _read(self, running: RunningJob, *, all_of_it: bool = False) -> None:
        if running.unsent:
            running.send_on()
            if not running.unsent and running.channel is not None:
                self.selector.modify(running.channel, selectors.EVENT_READ, lambda: self._read(running))
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
        self.timers.cancel(_again(running))
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
        if running.stage is Stage.MATCHED and (process := running.part()):  # nobody knows of it yet
            self.ready.appendleft(process)
            if running in self.ledger.starts:
                self.ledger.starts.remove(running)
        if running.stage is Stage.CLAIMED:
            self._end_without_process(running, *_ENDED_BEFORE_IT_BEGAN[running.end_asked])
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


_ENDED_BEFORE_IT_BEGAN = {
    "cancelled": (AsyncJobStatus.CANCELLED, Reason.CANCELLED, "Cancelled before its process was started."),
    "shutdown": (
        AsyncJobStatus.FAILED,
        Reason.INTERRUPTED,
        "The worker was shut down before it was started.",
    ),
    "worker_lost": (AsyncJobStatus.FAILED, Reason.WORKER_LOST, "Its worker lost it before it was started."),
}


def _again(running: RunningJob) -> str:
    """The name of the timer after which the job gets another process."""
    return f"again {running.job.job_id}"
