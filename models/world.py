"""The state of the model: rows of the store, what supervisors remember, and the processes that there are.

Everything is an immutable tuple, so that a state is a key. Words are those of the product.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self, TypeVar

T = TypeVar("T")

TERMINAL = ("succeeded", "failed", "cancelled")
TTL = 2
"""In halves of one: for how long a supervisor has to be quiet before others take it for dead."""
ALIVE = ("waits", "runs")
"""What a job process does that is alive: waiting for its order, or running the handler."""


class Job(NamedTuple):
    """A row of ``async_jobs``; the last four fields only the checker sees."""

    status: str = "queued"
    owner: int = -1
    stored: bool = False
    """Whether the identity of its present process is in the row."""
    cancel: bool = False
    """Whether somebody has asked for its end while it ran."""
    forced: bool = False
    """Whether a client has killed its tree and is about to write its end (``cancel --force``)."""
    claims: int = 0
    ends: int = 0
    begun: int = 0
    """How often a handler of it has begun."""
    again: bool = False
    """Whether a successor was queued because it failed."""


class Side(NamedTuple):
    """What one supervisor remembers of one job, and the processes that its spawner has for it."""

    stage: str = "-"
    """``-``, ``claimed``, ``ordered``, ``recorded`` (identity stored), ``going``, ``over`` (end to be written)."""
    asked: str = ""
    """Why its end is wanted: ``cancelled``, ``lost`` (the row is not ours any more)."""
    verdict: str = ""
    leader: str = "-"
    """``-``, ``waits`` for its order, ``runs``, ``exited``, ``told`` (swept, and the supervisor was told)."""
    result: bool = False
    orphan: bool = False
    """Whether a daemon that the handler left is alive."""


class Supervisor(NamedTuple):
    """A supervisor, its row in ``workers``, its spawner, and how far its burial by another has come."""

    sides: tuple[Side, ...]
    life: str = "up"
    """``up``, ``paused`` (SIGSTOP), ``dead``."""
    holds: bool = False
    """Whether it was stopped in the middle of a transaction, so that nobody else can write."""
    spawner: bool = True
    row: bool = True
    """Whether its row is live; False when it is closed."""
    broken: bool = False
    """Whether it knows that it was declared lost, and is ending itself."""
    quiet: int = 0
    """For how many halves of a TTL the others have seen no beat."""
    slept: bool = False
    """Whether it was paused since its last beat (only the checker sees it)."""
    judged: str = "-"
    """``-``, ``dead`` (another takes it for dead), ``proven`` (nothing is left of its processes)."""
    left: tuple[bool, ...] = ()
    """The jobs that the other one found running when it judged."""
    beaten: bool = False
    """Whether it has beaten since it was judged."""
    acted: bool = False
    """Whether it has stored the identity of a process since it was judged."""


class Budget(NamedTuple):
    """How many faults may still happen."""

    kills: int
    pauses: int
    cancels: int
    freezes: int
    endless: bool = False
    """Whether handlers never return by themselves."""


class World(NamedTuple):
    """One state."""

    jobs: tuple[Job, ...]
    supervisors: tuple[Supervisor, ...]
    budget: Budget
    wrong: str = ""
    """What an action found to be wrong in itself; a state with it is a violation."""

    @classmethod
    def begin(cls, *, supervisors: int, jobs: int, budget: Budget) -> World:
        """Jobs are queued, the first one first; supervisors are up."""
        side = (Side(),) * jobs
        return cls((Job(),) * jobs, (Supervisor(side),) * supervisors, budget)

    def with_job(self, job: int, **changes: Any) -> Self:
        """This state with fields of a job's row changed."""
        return self._replace(jobs=_at(self.jobs, job, self.jobs[job]._replace(**changes)))

    def with_supervisor(self, who: int, **changes: Any) -> Self:
        """This state with fields of a supervisor changed."""
        changed = self.supervisors[who]._replace(**changes)
        return self._replace(supervisors=_at(self.supervisors, who, changed))

    def with_side(self, who: int, job: int, **changes: Any) -> Self:
        """This state with what a supervisor has of a job changed."""
        sides = self.supervisors[who].sides
        return self.with_supervisor(who, sides=_at(sides, job, sides[job]._replace(**changes)))

    def spending(self, **left: int) -> Self:
        """This state with less of the budget."""
        return self._replace(budget=self.budget._replace(**left))

    def end(self, job: int, status: str, *, cancel_is_final: bool = True) -> Self:
        """This state with a job's row ended; a failure queues a successor, unless nobody wants it."""
        row = self.jobs[job]
        again = status == "failed" and not (row.cancel and cancel_is_final)
        return self.with_job(job, status=status, ends=row.ends + 1, again=row.again or again)

    @property
    def writable(self) -> bool:
        """Whether a transaction can be made: nobody is stopped in one."""
        return not any(supervisor.holds for supervisor in self.supervisors)

    def owns(self, who: int, job: int) -> bool:
        """Whether the row says: running, and this supervisor's. What every fenced write asks."""
        return self.jobs[job].status == "running" and self.jobs[job].owner == who


def _at(items: tuple[T, ...], index: int, item: T) -> tuple[T, ...]:
    return (*items[:index], item, *items[index + 1 :])
