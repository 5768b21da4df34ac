"""What goes wrong, and what people do: kills at any instant, pauses, a frozen host, cancels. None of it is fair."""

from __future__ import annotations

from models.caring import dead
from models.registry import SUPERVISORS, Steps, action, each
from models.rules import Rules
from models.world import ALIVE, TTL, World


@action(fair=False)
def kill_supervisor(world: World, rules: Rules) -> Steps:
    """SIGKILL, at any instant."""
    for who, supervisor in enumerate(world.supervisors):
        if supervisor.life != "dead" and world.budget.kills:
            killed = dead(world.spending(kills=world.budget.kills - 1), who)
            if not supervisor.spawner:
                killed = _without_zombies(killed, who)
            yield f"{SUPERVISORS[who]} is killed", killed


@action(fair=False)
def kill_spawner(world: World, rules: Rules) -> Steps:
    """SIGKILL; the kernel ends the job processes, but not what those have left."""
    for who, supervisor in enumerate(world.supervisors):
        if not supervisor.spawner or not world.budget.kills:
            continue
        killed = world.spending(kills=world.budget.kills - 1).with_supervisor(who, spawner=False)
        for job, side in enumerate(supervisor.sides):
            if side.leader in ALIVE and rules.death_signal:
                killed = killed.with_side(who, job, leader="exited", result=False)
        if supervisor.life == "dead":
            killed = _without_zombies(killed, who)
        yield f"{SUPERVISORS[who]}'s spawner is killed", killed


def _without_zombies(world: World, who: int) -> World:
    """Nobody waits for what has exited."""
    for job, side in enumerate(world.supervisors[who].sides):
        if side.leader in ("exited", "told"):
            world = world.with_side(who, job, leader="-")
    return world


@action(fair=False)
def kill_job(world: World, rules: Rules) -> Steps:
    """SIGKILL of a job process, by anybody."""
    for who, job in each(world):
        if world.supervisors[who].sides[job].leader in ALIVE and world.budget.kills:
            killed = world.spending(kills=world.budget.kills - 1)
            yield (
                f"the process of job {job} is killed",
                killed.with_side(who, job, leader="exited", result=False),
            )


@action(fair=False)
def pause(world: World, rules: Rules) -> Steps:
    """SIGSTOP of a supervisor."""
    for who, supervisor in enumerate(world.supervisors):
        if supervisor.life == "up" and world.budget.pauses:
            spent = world.spending(pauses=world.budget.pauses - 1)
            yield f"{SUPERVISORS[who]} is stopped", spent.with_supervisor(who, life="paused", slept=True)
            if world.writable:
                held = spent.with_supervisor(who, life="paused", slept=True, holds=True)
                yield f"{SUPERVISORS[who]} is stopped in a transaction", held


@action("agentsd.supervisor.reaper:Reaper.forget", fair=False)
def resume(world: World, rules: Rules) -> Steps:
    """SIGCONT; by the gap in its loop the supervisor knows that its observations are void."""
    for who, supervisor in enumerate(world.supervisors):
        if supervisor.life == "paused":
            awake = world.with_supervisor(who, life="up", holds=False)
            yield f"{SUPERVISORS[who]} goes on", _forgetting(awake, rules, who)


def _forgetting(world: World, rules: Rules, me: int) -> World:
    for who in range(len(world.supervisors)):
        if who != me and rules.gap_rule:
            world = world.with_supervisor(who, quiet=0)
    return world


@action("agentsd.supervisor.reaper:Reaper.forget", fair=False)
def freeze(world: World, rules: Rules) -> Steps:
    """Everything stands still for longer than a TTL (suspend, a stopped container), and whoever wakes first looks."""
    if not world.budget.freezes:
        return
    frozen = world.spending(freezes=world.budget.freezes - 1)
    for who, supervisor in enumerate(world.supervisors):
        if supervisor.life != "dead":
            frozen = frozen.with_supervisor(who, quiet=0 if rules.gap_rule else TTL)
    yield "everything is frozen for longer than a TTL", frozen


@action("agentsd.supervisor.worker:AsyncWorker.run", "agentsd.store.workers:end", fair=False, writes=True)
def leave_in_a_hurry(world: World, rules: Rules) -> Steps:
    """Told to stop while the store cannot be written: it exits with ends unwritten, and can write only then."""
    for who, supervisor in enumerate(world.supervisors):
        left = any(world.owns(who, job) for job in range(len(world.jobs)))
        all_over = all(side.stage in ("-", "over") for side in supervisor.sides)
        if supervisor.life == "up" and not supervisor.broken and all_over and world.budget.kills:
            gone = dead(world.spending(kills=world.budget.kills - 1), who)
            row = supervisor.row and left and rules.last_words
            yield f"{SUPERVISORS[who]} exits in a hurry", gone.with_supervisor(who, row=row)


@action("agentsd.store.cancel:request_cancel", fair=False, writes=True)
def request_cancel(world: World, rules: Rules) -> Steps:
    """A person cancels: what is queued ends at once, for what runs the wish is written."""
    for job, row in enumerate(world.jobs):
        if not world.budget.cancels:
            continue
        spent = world.spending(cancels=world.budget.cancels - 1)
        if row.status == "queued":
            yield f"job {job} is cancelled while it is queued", spent.end(job, "cancelled")
        elif row.status == "running" and not row.cancel:
            yield f"the cancel of job {job} is asked for", spent.with_job(job, cancel=True)


@action("agentsd.supervisor.takeover:force", fair=False)
def force(world: World, rules: Rules) -> Steps:
    """``cancel --force`` while the owner is stopped: KILL the tree by its stored identity."""
    for who, job in each(world):
        row, supervisor = world.jobs[job], world.supervisors[who]
        side = supervisor.sides[job]
        orphaned = side.orphan and side.leader not in ALIVE
        if supervisor.life != "paused" or not row.cancel or not row.stored or row.forced:
            continue
        if world.owns(who, job) and not (orphaned and rules.force_sees_orphans):
            forced = world.with_job(job, forced=True)
            if side.leader in ALIVE:
                forced = forced.with_side(who, job, leader="exited", result=False, orphan=False)
            yield f"a client kills the tree of job {job} by force", forced


@action("agentsd.store.claims:finish", fair=True, writes=True)
def force_end(world: World, rules: Rules) -> Steps:
    """Then write its end, fenced on the owner."""
    for who, job in each(world):
        if world.jobs[job].forced and world.owns(who, job):
            yield (
                f"the client writes: job {job} cancelled",
                world.with_job(job, forced=False).end(job, "cancelled"),
            )
