"""What supervisors do when something is wrong: beat, judge, bury, mend, give up; and what spawners do then."""

from __future__ import annotations

from models.registry import SUPERVISORS, Steps, action, up
from models.rules import Rules
from models.working import beaten, over, wanted
from models.world import ALIVE, TTL, Supervisor, World


@action("agentsd.store.workers:beat", "agentsd.supervisor.duties:Duties.give_up", writes=True)
def beat(world: World, rules: Rules) -> Steps:
    """A heartbeat; who finds its row closed gives up: it ends its jobs, and then itself."""
    for who in up(world):
        supervisor = world.supervisors[who]
        if supervisor.row and supervisor.quiet:
            yield f"{SUPERVISORS[who]} beats", beaten(world, who)
        elif not supervisor.row and not supervisor.broken:
            giving_up = world.with_supervisor(who, broken=True)
            for job, side in enumerate(supervisor.sides):
                if side.stage in ("claimed", "ordered", "recorded", "going"):
                    giving_up = wanted(giving_up, who, job, "lost")
            yield f"{SUPERVISORS[who]} learns that it was declared lost", giving_up


@action("agentsd.supervisor.worker:AsyncWorker.run")
def leave(world: World, rules: Rules) -> Steps:
    """Who has given up exits when none of its jobs has a process."""
    for who in up(world):
        supervisor = world.supervisors[who]
        if supervisor.broken and all(side.stage in ("-", "over") for side in supervisor.sides):
            yield f"{SUPERVISORS[who]} exits", dead(world, who)


def dead(world: World, who: int) -> World:
    """A supervisor is gone: what it remembered, its burials of others too, is gone with it."""
    sides = tuple(
        side._replace(stage="-", asked="", verdict="", result=False) for side in world.supervisors[who].sides
    )
    gone = world.with_supervisor(
        who, life="dead", holds=False, sides=sides, broken=False, quiet=0, slept=False
    )
    for other in range(len(world.supervisors)):
        if other != who:
            gone = gone.with_supervisor(other, judged="-", left=(), beaten=False, acted=False)
    return gone


@action("agentsd.workers.spawner:Spawner.run")
def end_everything(world: World, rules: Rules) -> Steps:
    """The supervisor is gone: the end of the link tells its spawner, which ends every tree and itself."""
    for who, supervisor in enumerate(world.supervisors):
        if supervisor.life == "dead" and supervisor.spawner and rules.end_of_link:
            yield f"{SUPERVISORS[who]}'s spawner ends everything", nothing_left(world, who)


def nothing_left(world: World, who: int) -> World:
    """Every process of a supervisor's jobs, and its spawner, is killed. Ends that were told are in the link."""
    sides = tuple(
        side._replace(
            leader="exited" if side.leader in ALIVE and side.stage != "-" else
            side.leader if side.stage != "-" else "-",
            orphan=False,
        )
        for side in world.supervisors[who].sides
    )  # fmt: skip
    return world.with_supervisor(who, sides=sides, spawner=False)


@action("agentsd.supervisor.guard:SpawnerGuard.hear", "agentsd.supervisor.fleet:Fleet.use")
def mend(world: World, rules: Rules) -> Steps:
    """The spawner is gone: end what it leaves, call what was going lost, start another for the rest."""
    for who in up(world):
        supervisor = world.supervisors[who]
        heard = all(side.leader != "told" for side in supervisor.sides)
        if supervisor.spawner or not heard:
            continue
        mended = world.with_supervisor(who, spawner=True)
        for job, side in enumerate(supervisor.sides):
            mended = _mended(mended, rules, who, job)
            if side.stage == "going" or (side.stage in ("ordered", "recorded") and side.asked):
                mended = over(mended, who, job)
            elif side.stage in ("ordered", "recorded"):
                mended = mended.with_side(who, job, stage="claimed", leader="-", result=False)
        yield f"{SUPERVISORS[who]} starts another spawner", mended


def _mended(world: World, rules: Rules, who: int, job: int) -> World:
    side = world.supervisors[who].sides[job]
    if not rules.mending:
        return world
    return world.with_side(who, job, orphan=False, leader="exited" if side.leader in ALIVE else side.leader)


@action("agentsd.supervisor.reaper:Reaper.observe", "agentsd.store.claims:jobs_of")
def judge(world: World, rules: Rules) -> Steps:
    """A supervisor takes another for dead: it is provably gone, or was silent for a TTL."""
    for me in up(world):
        for who, other in enumerate(world.supervisors):
            if who == me or world.supervisors[me].broken or other.judged != "-":
                continue
            left = tuple(world.owns(who, job) for job in range(len(world.jobs)))
            if other.row and (other.life == "dead" or other.quiet == TTL):
                judged = world.with_supervisor(who, judged="dead", left=left, beaten=False, acted=False)
                if other.life == "up" and not other.slept:
                    judged = judged._replace(wrong="a healthy supervisor was taken for dead")
                yield f"{SUPERVISORS[me]} takes {SUPERVISORS[who]} for dead", judged


@action("agentsd.supervisor.remnants:end_round")
def end_remnants(world: World, rules: Rules) -> Steps:
    """A round of killing what the dead supervisor left; finding none is the proof that none is left."""
    for me in up(world):
        for who, other in enumerate(world.supervisors):
            if who == me or other.judged != "dead":
                continue
            if rules.proof and _remnants(world, rules, other):
                yield f"{SUPERVISORS[me]} kills what {SUPERVISORS[who]} left", _killed(world, rules, who)
            else:
                yield (
                    f"{SUPERVISORS[me]} finds nothing left of {SUPERVISORS[who]}",
                    world.with_supervisor(who, judged="proven"),
                )


def _remnants(world: World, rules: Rules, other: Supervisor) -> bool:
    if rules.marker:
        return other.spawner or any(side.leader in ALIVE or side.orphan for side in other.sides)
    return any(side.leader in ALIVE and world.jobs[job].stored for job, side in enumerate(other.sides))


def _killed(world: World, rules: Rules, who: int) -> World:
    if rules.marker:
        return nothing_left(world, who)
    for job, side in enumerate(world.supervisors[who].sides):
        if side.leader in ALIVE and world.jobs[job].stored:
            world = world.with_side(who, job, leader="exited" if side.stage != "-" else "-")
    return world


@action("agentsd.supervisor.reaper:bury", "agentsd.store.workers:end", writes=True)
def bury(world: World, rules: Rules) -> Steps:
    """One transaction closes the row of the dead supervisor and ends the jobs that it left, fenced."""
    for me in up(world):
        for who, other in enumerate(world.supervisors):
            if who == me or other.judged != "proven":
                continue
            done = world.with_supervisor(who, judged="-", left=(), beaten=False, acted=False)
            if (rules.still_silent and other.beaten) or (rules.same_processes and other.acted):
                yield f"{SUPERVISORS[me]} sees that {SUPERVISORS[who]} lives, and leaves it alone", done
                continue
            done = done.with_supervisor(who, row=False)
            for job, was_left in enumerate(other.left):
                if was_left and world.owns(who, job):
                    done = done.end(job, "cancelled" if world.jobs[job].cancel else "failed")
            yield f"{SUPERVISORS[me]} buries {SUPERVISORS[who]}", done


@action("agentsd.supervisor.duties:Duties.begin", "agentsd.supervisor.remnants:is_stopped")
def end_who_is_in_the_way(world: World, rules: Rules) -> Steps:
    """Who is to be buried, or was, and is stopped in a transaction, so that nothing can be written, is killed."""
    for me in up(world):
        for who, other in enumerate(world.supervisors):
            doomed = other.judged == "proven" or not other.row
            if who != me and doomed and other.holds and rules.in_the_way:
                yield f"{SUPERVISORS[me]} kills {SUPERVISORS[who]}, which is in the way", dead(world, who)


@action(fair=True)
def time_passes(world: World, rules: Rules) -> Steps:
    """Half a TTL. Who is awake beats in it, so only the paused fall silent."""
    paused = [
        who for who, other in enumerate(world.supervisors) if other.life == "paused" and other.quiet < TTL
    ]
    late = world.writable and any(
        other.life == "up" and other.row and other.quiet for other in world.supervisors
    )
    if paused and not late:
        later = world
        for who in paused:
            later = later.with_supervisor(who, quiet=world.supervisors[who].quiet + 1)
        yield "half a TTL passes", later
