"""What is known of each fault point: which process reaches it, in which operation, and how far the job is then."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Actor(StrEnum):
    """The process that reaches a point."""

    CLIENT = "the command line"
    SUPERVISOR = "the supervisor"
    SPAWNER = "the spawner"
    JOB = "the job process"


class Progress(StrEnum):
    """How far the job has come when a point is reached."""

    QUEUED = "not claimed yet"
    AHEAD = "it has another process, and this one waits for the next job"
    CLAIMED = "claimed, handler not begun"
    GOING = "the handler may have begun"
    ENDED = "its end is written"


@dataclass(frozen=True, slots=True)
class PointInfo:
    """One fault point, as an operation reaches it."""

    operation: str
    name: str
    actor: Actor
    progress: Progress
    writes_store: bool = False
    """Whether SQLite is at work here, so that it can say busy or full."""
    writes_files: bool = False
    makes_descriptors: bool = False


C, S, P, J = Actor
QUEUED, AHEAD, CLAIMED, GOING, ENDED = Progress


def _points(
    operation: str,
    actor: Actor,
    progress: Progress,
    names: str,
    *,
    store: str = "",
    files: str = "",
    fds: str = "",
) -> list[PointInfo]:
    return [
        PointInfo(
            operation,
            name,
            actor,
            progress,
            name in store.split(),
            name in files.split(),
            name in fds.split(),
        )
        for name in names.split()
    ]


POINTS: tuple[PointInfo, ...] = (
    *_points(
        "enqueue", C, QUEUED,
        "open.begin open.connected enqueue.insert enqueue.inserted enqueue.commit enqueue.committed",
        store="open.connected enqueue.insert enqueue.inserted enqueue.commit", files="open.begin",
    ),
    *_points(
        "migrate", C, QUEUED, "migrate.begin migrate.commit migrate.committed", store="migrate.begin migrate.commit"
    ),
    *_points("run", P, QUEUED, "fork.before fork.forked fork.told", fds="fork.before fork.forked"),
    *_points("run", J, QUEUED, "child.begin child.session child.ready"),
    *_points("run", S, QUEUED, "start.heard"),
    *_points("fork ahead", P, AHEAD, "fork.before fork.forked fork.told", fds="fork.before fork.forked"),
    *_points("fork ahead", J, AHEAD, "child.begin child.session child.ready"),
    *_points("fork ahead", S, AHEAD, "start.heard"),
    *_points(
        "run", S, QUEUED, "claim.begin start.store claim.commit", store="claim.begin start.store claim.commit"
    ),
    *_points("run", S, CLAIMED, "claim.committed start.stored start.go"),
    *_points("run", S, GOING, "start.gone"),
    *_points("run", J, CLAIMED, "child.output", files="child.output"),
    *_points("run", J, GOING, "run.begin run.end result.sent"),
    *_points("run", S, GOING, "result.heard"),
    *_points("run", P, GOING, "sweep.begin sweep.between sweep.end sweep.told"),
    *_points("run", S, GOING, "finish.heard finish.begin finish.commit", store="finish.begin finish.commit"),
    *_points("run", S, ENDED, "finish.committed"),
    *_points("heartbeat", S, GOING, "beat.begin beat.write", store="beat.write"),
    *_points(
        "cancel", C, GOING, "cancel.request cancel.commit cancel.committed", store="cancel.request cancel.commit"
    ),
    *_points("cancel", S, GOING, "cancel.heard"),
    *_points("cancel", P, GOING, "ladder.term ladder.between ladder.kill"),
    *_points("time out", P, GOING, "ladder.term ladder.between ladder.kill"),
    *_points("supervisor killed", P, GOING, "orphans.begin orphans.between"),
    *_points("spawner killed", S, GOING, "mourn.begin mourn.swept mourn.restarted"),
    *_points("reap", S, GOING, "reap.judged reap.swept reap.commit", store="reap.commit"),
    *_points("reap", S, ENDED, "reap.committed"),
    *_points("succeed a dead worker", S, GOING, "reap.judged reap.swept reap.commit", store="reap.commit"),
    *_points("succeed a dead worker", S, ENDED, "reap.committed"),
    *_points("take over", C, GOING, "takeover.begin takeover.swept"),
    *_points("shut down", S, GOING, "shutdown.step"),
    *_points("shut down", S, ENDED, "stop.begin stop.swept stop.unregister stop.unregistered"),
    *_points(
        "prune", C, ENDED, "prune.begin prune.logs prune.commit prune.committed",
        store="prune.logs prune.commit", files="prune.begin",
    ),
    *_points(
        "execute", J, GOING,
        "sandbox.recorded sandbox.made sandbox.complete capture.begin capture.committed capture.published",
        files="sandbox.recorded sandbox.made sandbox.complete capture.begin capture.committed capture.published",
    ),
    *_points(
        "apply", J, GOING, "apply.prepared apply.begun apply.between apply.written apply.finished",
        files="apply.prepared apply.begun apply.between apply.written apply.finished",
    ),
    *_points("execute in the foreground", S, CLAIMED, "start.heard start.store start.stored", store="start.store"),
    *_points("execute in the foreground", P, CLAIMED, "fork.before", fds="fork.before"),
    *_points("execute in the foreground", S, GOING, "start.gone finish.heard finish.commit", store="finish.commit"),
    *_points("execute in the foreground", P, GOING, "sweep.begin"),
    *_points("execute in the foreground", J, GOING, "capture.begin capture.published", files="capture.published"),
    *_points("execute in the foreground", S, ENDED, "stop.begin stop.unregistered"),
    *_points("apply in the foreground", S, GOING, "start.gone finish.commit", store="finish.commit"),
    *_points(
        "apply in the foreground", J, GOING, "apply.begun apply.between apply.written", files="apply.between apply.written"
    ),
    *_points(
        "revert", C, GOING, "revert.begun apply.between revert.written revert.settled", files="apply.between revert.written"
    ),
)  # fmt: skip
