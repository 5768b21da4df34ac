"""What has to hold in every state, and what has to come about at last."""

from __future__ import annotations

from collections.abc import Callable

from models.world import ALIVE, TERMINAL, Supervisor, World


def claimed_at_most_once(world: World) -> bool:
    """A row is claimed at most once in its life."""
    return all(job.claims <= 1 for job in world.jobs)


def ended_once(world: World) -> bool:
    """A job has one end, and has it exactly when its row is terminal."""
    return all(job.ends == (job.status in TERMINAL) for job in world.jobs)


def begun_at_most_once(world: World) -> bool:
    """No handler of a row begins twice."""
    return all(job.begun <= 1 for job in world.jobs)


def identity_comes_first(world: World) -> bool:
    """Of a job whose handler runs, the row says which process it is."""
    return all(
        world.jobs[job].stored
        for supervisor in world.supervisors
        for job, side in enumerate(supervisor.sides)
        if side.leader == "runs"
    )


def nothing_of_an_ended_job_runs(world: World) -> bool:
    """No handler, and no daemon of one, is alive when the row is terminal.

    A process that still waits for its order is none: nobody gives it one any more, so it never begins.
    """
    return not any(
        world.jobs[job].status in TERMINAL and (side.leader == "runs" or side.orphan)
        for supervisor in world.supervisors
        for job, side in enumerate(supervisor.sides)
    )


def nobody_repeats_what_was_cancelled(world: World) -> bool:
    """What somebody asked to be cancelled is not queued again by itself."""
    return not any(job.cancel and job.again for job in world.jobs)


def nothing_went_wrong(world: World) -> bool:
    """No action found fault with itself: no healthy supervisor was judged, the ready order was kept."""
    return not world.wrong


INVARIANTS: tuple[Callable[[World], bool], ...] = (
    claimed_at_most_once,
    ended_once,
    begun_at_most_once,
    identity_comes_first,
    nothing_of_an_ended_job_runs,
    nobody_repeats_what_was_cancelled,
    nothing_went_wrong,
)


def all_is_well_at_last(world: World) -> bool:
    """With a supervisor up: every job has ended and no process of any is left.

    A handler that never returns runs on, unless its cancel was asked for. With none up, only the next start
    can write ends; but no job process is left even so.
    """
    someone = any(supervisor.life == "up" for supervisor in world.supervisors)
    if someone:
        return all(
            job.status in TERMINAL
            and not any(_is_left(supervisor, number) for supervisor in world.supervisors)
            for number, job in enumerate(world.jobs)
            if not _may_run_on(world, number)
        )
    return not any(
        side.leader in ALIVE
        for supervisor in world.supervisors
        if supervisor.life == "dead"
        for side in supervisor.sides
    )


def _is_left(supervisor: Supervisor, number: int) -> bool:
    """Whether a process of a job is left. One that waits for its order is as harmless as its stopped supervisor."""
    side = supervisor.sides[number]
    return side.leader == "runs" or side.orphan or (side.leader == "waits" and supervisor.life != "paused")


def _may_run_on(world: World, number: int) -> bool:
    job = world.jobs[number]
    owned = job.status == "running" and world.supervisors[job.owner].life != "dead"
    return world.budget.endless and owned and not job.cancel
