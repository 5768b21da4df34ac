"""What a supervisor tells, as lines for people or as JSON lines; written so that it can never stop it."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping

from agentsd.cli.output import json_text
from agentsd.cli.words import count
from agentsd.model import JSON, utc_now
from agentsd.supervisor.notices import Notice

LEVELS = ("debug", "info", "warning", "error")
Facts = Mapping[str, JSON]


def _ended(facts: Facts) -> str:
    error = f": {facts['error']}" if facts.get("error") else ""
    following = f"; {facts['next_job']} follows" if facts.get("next_job") else ""
    return f"{_job(facts)} {facts['status']} ({facts['reason']}){error}{following}"


def _stopping(facts: Facts) -> str:
    how = ("no new jobs; waiting for", "asking to stop:", "killing:")[int(facts["stage"]) - 1]
    return f"stopping, {how} {count(int(facts['running']), 'job')}"


def _job(facts: Facts) -> str:
    return f"job {facts['job_id']} {facts['phase']}"


SENTENCES: Mapping[str, Callable[[Facts], str]] = {
    "worker_started": lambda f: f"worker {f['worker_id']} takes jobs, {f['slots']} at once (pid {f['pid']})",
    "worker_stopped": lambda f: f"worker {f['worker_id']} stopped",
    "worker_broken": lambda f: f"this worker ends: {f['error']}",
    "worker_reaped": lambda f: f"worker {f['worker_id']} is dead ({f['reason']}); its jobs are ended",
    "stopping": _stopping,
    "draining": lambda f: f"taking no more jobs; ends when {count(int(f['running']), 'job')} have ended",
    "job_claimed": lambda f: f"{_job(f)} claimed",
    "job_started": lambda f: f"{_job(f)} started (pid {f['pid']})",
    "job_ended": _ended,
    "job_reaped": lambda f: f"{_job(f)} ended ({f['reason']})",
    "job_cancelling": lambda f: f"{_job(f)} is being cancelled by {f['by']}",
    "ownership_lost": lambda f: f"{_job(f)} was ended by others; its process is killed, its result dropped",
    "fork_failed": lambda f: f"{_job(f)}: no process ({f['error']}); again in {f['again_in']:g} s",
    "spawner_lost": lambda f: f"the spawner (pid {f['pid']}) died; a new one is started",
    "preload_refused": lambda f: f"async.preload is not used: {f['problem']}",
    "unkillable": lambda f: f"processes that do not die: {', '.join(map(str, f['pids']))}",
    "store_unwritable": lambda f: f"the store cannot be written, which is tried again: {f['error']}",
    "store_writable": lambda _: "the store can be written again",
    "config_reloaded": lambda f: f"configuration read again, {f['slots']} jobs at once",
    "reload_failed": lambda f: f"the configuration is wrong and the old one stays in force: {f['error']}",
    "hook_failed": lambda f: f"a shutdown hook failed: {f['error']}",
    "pruned": lambda f: f"{count(int(f['jobs']), 'old job')} deleted",
}


def sentence(notice: Notice) -> str:
    """A notice in words. One that this code does not know is shown by its facts."""
    words = SENTENCES.get(notice.event)
    if words is not None:
        return words(notice.facts)
    return " ".join((notice.event, *(f"{name}={value}" for name, value in notice.facts.items())))


class WorkerLog:
    """Writes notices of at least a level to a file descriptor."""

    def __init__(self, descriptor: int, level: str, *, as_json: bool) -> None:
        self._descriptor, self._as_json = descriptor, as_json
        self._shown = LEVELS[LEVELS.index(level) :]
        self._lost = 0

    def __call__(self, notice: Notice) -> None:
        """Write one notice, if somebody reads."""
        if notice.level in self._shown:
            self._write(self._line(notice))

    def _line(self, notice: Notice) -> str:
        if self._as_json:
            return json_text({"at": utc_now(), "level": notice.level, "event": notice.event, **notice.facts})
        mark = "" if notice.level in ("debug", "info") else f"{notice.level}: "
        return f"{utc_now()[:19]}Z {mark}{sentence(notice)}"

    def _write(self, line: str) -> None:
        """A terminal that is stopped by Ctrl-S, or a pipe that nobody reads, must not stop the supervisor."""
        try:
            if not select.select([], [self._descriptor], [], 0)[1]:
                self._lost += 1
                return
            if self._lost and not self._as_json:
                line = f"({count(self._lost, 'line')} lost: nobody was reading)\n{line}"
            self._lost = 0
            os.write(self._descriptor, f"{line}\n".encode(errors="replace"))
        except OSError:  # the terminal was closed; the work goes on without it
            self._lost += 1
