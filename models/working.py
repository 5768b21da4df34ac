"""What supervisors, spawners and job processes do when nothing is wrong: from claim to end."""

from __future__ import annotations

from models.registry import SUPERVISORS, Steps, action, each, up
from models.rules import Rules
from models.world import ALIVE, Side, World


def beaten(world: World, who: int) -> World:
    """The transaction carries a heartbeat, if the row is live."""
    if not world.supervisors[who].row:
        return world
    return world.with_supervisor(who, quiet=0, slept=False, beaten=world.supervisors[who].judged != "-")


@action("agentsd.store.claims:claim", "agentsd.supervisor.ledger:Ledger.commit", writes=True)
def claim(world: World, rules: Rules) -> Steps:
    """The group commit claims what comes first in the ready order, mostly for a process that waits, whose identity it stores."""
    for who in up(world):
        supervisor = world.supervisors[who]
        if supervisor.broken or (rules.claim_needs_row and not supervisor.row):
            continue
        queued = [job for job, row in enumerate(world.jobs) if row.status == "queued"]
        running = [job for job, row in enumerate(world.jobs) if row.status == "running" and row.owner != who]
        takeable = queued if rules.claim_only_queued else queued + running
        for job in takeable[:1] if rules.ready_order else takeable:
            if supervisor.sides[job] != Side():
                continue
            next_world = world.with_job(
                job, status="running", owner=who, claims=world.jobs[job].claims + 1
            ).with_side(who, job, stage="claimed")
            if job != takeable[0]:
                next_world = next_world._replace(wrong="a younger job was claimed before an older one")
            yield f"{SUPERVISORS[who]} claims job {job}", beaten(next_world, who)
            if rules.handshake:
                yield (
                    f"{SUPERVISORS[who]} claims job {job} for a process that waits",
                    beaten(_matched(next_world, who, job), who),
                )


def _matched(world: World, who: int, job: int) -> World:
    """The identity of a process is stored. It is dead if its spawner is, of which its supervisor may not have heard."""
    leader = "waits" if world.supervisors[who].spawner else "exited"
    matched = world.with_job(job, stored=True).with_side(who, job, stage="recorded", leader=leader)
    return matched.with_supervisor(who, acted=world.supervisors[who].judged != "-")


@action("agentsd.supervisor.guard:SpawnerGuard.want", "agentsd.supervisor.spawner:SpawnerProcess.want")
def order(world: World, rules: Rules) -> Steps:
    """A job that is claimed has no process: the supervisor tells its spawner to fork."""
    for who, job in each(world):
        supervisor = world.supervisors[who]
        if supervisor.life == "up" and supervisor.spawner and supervisor.sides[job].stage == "claimed":
            yield (
                f"{SUPERVISORS[who]} orders a fork for job {job}",
                world.with_side(who, job, stage="ordered"),
            )


@action("agentsd.workers.forks:Forks.in_a_row", "agentsd.workers.child:stand_by")
def fork(world: World, rules: Rules) -> Steps:
    """The spawner forks; the process waits for its order. Its supervisor may be paused."""
    for who, job in each(world):
        supervisor = world.supervisors[who]
        side = supervisor.sides[job]
        if supervisor.spawner and side.stage == "ordered" and side.leader == "-":
            if rules.handshake:
                forked = world.with_job(job, stored=False).with_side(who, job, leader="waits")
                yield f"{SUPERVISORS[who]}'s spawner forks job {job}", forked
            else:
                began = world.with_job(job, stored=False, begun=world.jobs[job].begun + 1)
                yield (
                    f"{SUPERVISORS[who]}'s spawner forks job {job}, which begins at once",
                    began.with_side(who, job, leader="runs"),
                )


@action("agentsd.supervisor.fleet:Fleet.match", "agentsd.store.claims:mark_started", writes=True)
def record(world: World, rules: Rules) -> Steps:
    """The group commit stores the identity of that process, fenced; if the row is lost, the process is ended."""
    for who in up(world):
        for job, side in enumerate(world.supervisors[who].sides):
            if side.stage != "ordered" or side.leader == "-" or side.asked == "lost":
                continue
            if world.owns(who, job):
                # A client that ends the job by force looks again when its row names another process.
                forced = world.jobs[job].forced and not rules.same_processes
                stored = world.with_job(job, stored=True, forced=forced).with_side(who, job, stage="recorded")
                yield (
                    f"{SUPERVISORS[who]} stores the identity of job {job}'s process",
                    stored.with_supervisor(who, acted=world.supervisors[who].judged != "-"),
                )
            else:
                yield f"{SUPERVISORS[who]} finds job {job} lost", world.with_side(who, job, asked="lost")


@action("agentsd.supervisor.fleet:Fleet.lead", "agentsd.supervisor.fleet:Fleet.give_orders")
def go(world: World, rules: Rules) -> Steps:
    """The spawner is told whose the process is, then the process gets its order, and its handler begins."""
    for who in up(world):
        for job, side in enumerate(world.supervisors[who].sides):
            if side.stage != "recorded" or not world.supervisors[who].spawner:
                continue
            going = world.with_side(who, job, stage="going")
            if side.leader == "waits":
                going = going.with_job(job, begun=world.jobs[job].begun + 1).with_side(
                    who, job, leader="runs"
                )
            yield f"{SUPERVISORS[who]} lets job {job} begin", going


@action("agentsd.workers.child:stand_by", "agentsd.workers.leader:Leader.tick")
def end_by_itself(world: World, rules: Rules) -> Steps:
    """The handler returns its result, and the process exits. The deadline sees to it that it does."""
    for who, job in each(world):
        if world.supervisors[who].sides[job].leader == "runs" and not world.budget.endless:
            yield f"the handler of job {job} returns", world.with_side(who, job, leader="exited", result=True)


@action(fair=False)
def daemonise(world: World, rules: Rules) -> Steps:
    """The handler leaves a daemon."""
    for who, job in each(world):
        side = world.supervisors[who].sides[job]
        if side.leader == "runs" and not side.orphan:
            yield f"job {job} leaves a daemon", world.with_side(who, job, orphan=True)


@action("agentsd.workers.leader:Leader.end")
def ladder(world: World, rules: Rules) -> Steps:
    """The spawner ends a job process whose end is wanted."""
    for who, job in each(world):
        supervisor = world.supervisors[who]
        side = supervisor.sides[job]
        if supervisor.spawner and side.asked and side.leader in ALIVE:
            yield (
                f"{SUPERVISORS[who]}'s spawner ends job {job} ({side.asked})",
                world.with_side(who, job, leader="exited", result=False),
            )


@action("agentsd.workers.sweep:sweep_round", "agentsd.workers.spawner:Spawner.run")
def sweep(world: World, rules: Rules) -> Steps:
    """The spawner reaps a job process, ends what it left, and tells its supervisor."""
    for who, job in each(world):
        supervisor = world.supervisors[who]
        side = supervisor.sides[job]
        if supervisor.spawner and side.leader == "exited":
            orphan = side.orphan and not rules.sweep
            yield (
                f"{SUPERVISORS[who]}'s spawner sweeps after job {job}",
                world.with_side(who, job, leader="told", orphan=orphan),
            )


@action("agentsd.supervisor.fleet:Fleet.hear", "agentsd.supervisor.verdict:verdict")
def hear_end(world: World, rules: Rules) -> Steps:
    """The supervisor decides how the job ended. One whose handler has not begun, and whose end nobody wants, gets another process."""
    for who in up(world):
        for job, side in enumerate(world.supervisors[who].sides):
            # Between storing an identity and go nothing is heard, unless there is no spawner that could go.
            awaited = (
                ("ordered", "going") if world.supervisors[who].spawner else ("ordered", "recorded", "going")
            )
            if side.leader != "told" or side.stage not in awaited:
                continue
            if world.jobs[job].begun or side.asked:
                yield f"{SUPERVISORS[who]} hears that job {job} has ended", over(world, who, job)
            else:
                again = world.with_side(who, job, stage="claimed", leader="-")
                yield f"{SUPERVISORS[who]} hears that job {job} has not begun", again


def over(world: World, who: int, job: int) -> World:
    """Nothing is left of a job here: its end can be written."""
    side = world.supervisors[who].sides[job]
    verdict = "succeeded" if side.result else "cancelled" if side.asked == "cancelled" else "failed"
    return world.with_side(who, job, stage="over", asked="", verdict=verdict, leader="-", result=False)


@action("agentsd.store.claims:finish", writes=True)
def finish(world: World, rules: Rules) -> Steps:
    """The group commit writes an end, if the job is still this supervisor's; else it is dropped."""
    for who in up(world):
        for job, side in enumerate(world.supervisors[who].sides):
            if side.stage != "over":
                continue
            done = world.with_side(who, job, stage="-", verdict="")
            if world.owns(who, job):
                ended = done.end(job, side.verdict, cancel_is_final=rules.cancel_is_final)
                yield f"{SUPERVISORS[who]} writes: job {job} {side.verdict}", beaten(ended, who)
            elif rules.fence:
                yield f"{SUPERVISORS[who]} drops its late end of job {job}", done
            else:
                yield f"{SUPERVISORS[who]} overwrites: job {job} {side.verdict}", done.end(job, side.verdict)


@action("agentsd.store.claims:own_jobs", "agentsd.supervisor.fleet:Fleet.obey")
def obey(world: World, rules: Rules) -> Steps:
    """The supervisor reads what is asked of its jobs, and which of them are not its own any more."""
    for who in up(world):
        for job, side in enumerate(world.supervisors[who].sides):
            if side.stage not in ("claimed", "ordered", "going") or side.asked == "lost":
                continue
            if not world.owns(who, job):
                yield f"{SUPERVISORS[who]} sees that job {job} is lost", wanted(world, who, job, "lost")
            elif world.jobs[job].cancel and not side.asked and rules.cancel_is_obeyed:
                yield f"{SUPERVISORS[who]} sees the cancel of job {job}", wanted(world, who, job, "cancelled")


def wanted(world: World, who: int, job: int, why: str) -> World:
    """The end of a job is wanted: at once if it has no process, else the spawner climbs the ladder."""
    asked = world.with_side(who, job, asked=why)
    return over(asked, who, job) if world.supervisors[who].sides[job].stage == "claimed" else asked
