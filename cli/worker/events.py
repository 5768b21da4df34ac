"""Everything that a worker tells of itself: the name of each event, what it means, its facts, and its words for people.

The reference of events is printed from this table, and a test compares the table with what the supervisor says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from agentsd.cli.words import count
from agentsd.model import JSON
from agentsd.supervisor.notices import Notice

Facts = Mapping[str, JSON]
OF_A_JOB = ("job_id", "plan_id", "phase")


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event: its ``level``, a sentence on what it means, the names of its facts, its words."""

    level: str
    meaning: str
    facts: tuple[str, ...]
    words: Callable[[Facts], str]


def _ended(facts: Facts) -> str:
    error = f": {facts['error']}" if facts.get("error") else ""
    following = f"; {facts['next_job']} follows" if facts.get("next_job") else ""
    return f"{_job(facts)} {facts['status']} ({facts['reason']}){error.removesuffix('.')}{following}"


def _stopping(facts: Facts) -> str:
    if not facts["running"]:
        return "stopping; no job runs"
    jobs = count(int(facts["running"]), "job")
    return (
        f"stopping, no new jobs; waiting for {jobs}; Ctrl-C again (or TERM) asks them to stop",
        f"stopping, asking {jobs} to stop; once more kills them",
        f"stopping, killing {jobs}",
    )[int(facts["stage"]) - 1]


def _draining(facts: Facts) -> str:
    running = int(facts["running"])
    return "taking no more jobs" + (f"; ends after {count(running, 'running job')}" if running else "")


def _unkillable(facts: Facts) -> str:
    pids = ", ".join(str(each["pid"]) for each in facts["processes"])
    return f"{_job(facts)}: KILL does not end its processes {pids}; it keeps its slot until they end"


def _containment(facts: Facts) -> str:
    if facts["uses"] == "cgroup":
        return f"jobs are held together by control groups below {facts['group']}"
    return f"jobs are held together by subreapers, not by control groups: {facts['because']}"


def _job(facts: Facts) -> str:
    return f"job {facts['job_id']} {facts['phase']}"


_EVENTS: dict[str, Event] = {
    "worker_started": Event(
        "info",
        "It takes jobs from now on.",
        ("worker_id", "pid", "slots"),
        lambda f: f"worker {f['worker_id']} takes jobs, {f['slots']} at once (pid {f['pid']})",
    ),
    "containment": Event(
        "debug",
        "What holds the processes of a job together; a warning if control groups were there and are not any more.",
        ("uses", "group", "because"),
        _containment,
    ),
    "preload_refused": Event(
        "warning",
        "Modules of `async.preload` cannot be loaded before the fork, so each job loads its own.",
        ("problem",),
        lambda f: f"async.preload is not used: {f['problem']}",
    ),
    "job_claimed": Event("info", "It owns the job now.", OF_A_JOB, lambda f: f"{_job(f)} claimed"),
    "job_started": Event(
        "info",
        "The job has a process, and its handler may begin.",
        (*OF_A_JOB, "pid"),
        lambda f: f"{_job(f)} started (pid {f['pid']})",
    ),
    "job_cancelling": Event(
        "info",
        "Somebody asked for the end of the job, which gets TERM, and KILL after its grace.",
        (*OF_A_JOB, "by"),
        lambda f: f"{_job(f)} is being cancelled by {f['by']}",
    ),
    "job_ended": Event(
        "info",
        "Nothing is left of the job, and its end is on the disk. `next_job` is the attempt that follows by itself.",
        (*OF_A_JOB, "status", "reason", "error", "next_job"),
        _ended,
    ),
    "fork_failed": Event(
        "warning",
        "No process can be made now; it is tried again. Jobs stay in the queue meanwhile, for other workers, too.",
        ("error", "again_in"),
        lambda f: f"no process can be made ({f['error']}); again in {f['again_in']:g} s",
    ),
    "standby_lost": Event(
        "warning",
        "A process that waited for a job has ended, or was killed. No job was lost by that; another one is made.",
        ("pid", "error"),
        lambda f: f"process {f['pid']}, which waited for a job, has ended ({f['error']})",
    ),
    "not_begun": Event(
        "warning",
        "The job's process ended before its handler could begin. It gets another one; at last the job ends `spawn_failed`.",
        (*OF_A_JOB, "error", "again_in"),
        lambda f: f"{_job(f)}: {f['error']}; again in {f['again_in']:g} s",
    ),
    "unkillable": Event(
        "error",
        "Processes of the job do not die of KILL. The job stays as it is until they end.",
        (*OF_A_JOB, "processes"),
        _unkillable,
    ),
    "ownership_lost": Event(
        "warning",
        "Others have ended the job meanwhile, so its process is killed and its result dropped.",
        OF_A_JOB,
        lambda f: f"{_job(f)} was ended by others; its process is killed, its result dropped",
    ),
    "worker_reaped": Event(
        "warning",
        "Another worker is dead; its processes and its jobs were ended.",
        ("worker_id", "reason"),
        lambda f: f"worker {f['worker_id']} is dead ({f['reason']}); its jobs are ended",
    ),
    "job_reaped": Event(
        "warning",
        "A job of a dead worker was ended.",
        (*OF_A_JOB, "reason"),
        lambda f: f"{_job(f)} ended ({f['reason']})",
    ),
    "spawner_lost": Event(
        "warning",
        "The process that forks jobs died; its jobs end `worker_lost` and a new one is started.",
        ("pid",),
        lambda f: f"the spawner (pid {f['pid']}) died; a new one is started",
    ),
    "spawner_waits": Event(
        "warning",
        "No new process that forks jobs can be started now; it is tried again.",
        ("error", "again_in"),
        lambda f: f"no spawner can be started: {f['error']}; again in {f['again_in']:g} s",
    ),
    "store_unwritable": Event(
        "error",
        "The store cannot be written (a full disk, say). Nothing is lost; it is tried again.",
        ("error",),
        lambda f: f"the store cannot be written, which is tried again: {f['error']}",
    ),
    "store_writable": Event(
        "info", "The store can be written again.", (), lambda _: "the store can be written again"
    ),
    "pruned": Event(
        "debug",
        "Jobs older than `async.retention` were deleted.",
        ("jobs",),
        lambda f: f"{count(int(f['jobs']), 'old job')} deleted",
    ),
    "config_reloaded": Event(
        "info",
        "The configuration was read again and is in force.",
        ("slots",),
        lambda f: f"configuration read again, {f['slots']} jobs at once",
    ),
    "reload_failed": Event(
        "error",
        "The configuration is wrong; the old one stays in force.",
        ("error",),
        lambda f: f"the configuration is wrong and the old one stays in force: {f['error']}",
    ),
    "draining": Event(
        "info",
        "It takes no more jobs and ends when the last one has ended.",
        ("running",),
        _draining,
    ),
    "stopping": Event(
        "info",
        "It was told to stop. Stage 1 waits for the jobs, 2 asks them to stop, 3 kills them.",
        ("stage", "running"),
        _stopping,
    ),
    "hook_failed": Event(
        "error",
        "A callback of `AsyncWorker.on_shutdown` raised an error; the others are called.",
        ("error",),
        lambda f: f"a shutdown hook failed: {f['error']}",
    ),
    "worker_broken": Event(
        "error",
        "It cannot go on: it kills its jobs and exits with 1.",
        ("error",),
        lambda f: f"this worker ends: {f['error']}",
    ),
    "worker_stopped": Event(
        "info",
        "It has ended, and nothing of it is left.",
        ("worker_id", "exit_code"),
        lambda f: f"worker {f['worker_id']} stopped",
    ),
}
EVENTS: Mapping[str, Event] = MappingProxyType(_EVENTS)
"""In the order in which a worker's life has them."""


def sentence(notice: Notice) -> str:
    """A notice in words. One that this code does not know, or not with these facts, is shown by its facts."""
    known = EVENTS.get(notice.event)
    if known is not None:
        try:
            return known.words(notice.facts)
        except (KeyError, TypeError, ValueError, IndexError):  # a log line must never end a worker
            pass
    return " ".join((notice.event, *(f"{name}={value}" for name, value in notice.facts.items())))
