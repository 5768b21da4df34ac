"""How each operation is brought about, with the fault in the middle of it. Each returns what may come out."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

from support.patience import PATIENCE, eventually
from support.supervisor import Supervisor

from crash_matrix import expected, foreground, migrating, planning, promises
from crash_matrix.expected import DONE, LOST
from crash_matrix.points import Actor, Progress
from crash_matrix.stage import Stage

Endings = dict[str, set[str]]
"""By role: the reasons that its job may end with."""
_AFTER_HANDLER = ("run.end", "result.", "sweep.", "finish.")


def _two_workers(stage: Stage) -> Supervisor:
    stage.connect()
    stage.healthy_worker()
    return stage.faulty_worker()


def _target_runs(stage: Stage) -> Supervisor:
    """Two workers, and the target runs in the returned one; from now on the fault may happen."""
    worker = _two_workers(stage)
    stage.begin("target", stage.cell.kind)
    stage.arm()
    return worker


def _endings(stage: Stage, target: set[str]) -> Endings:
    return {"target": target, "near": expected.of_neighbour(stage.cell), "far": DONE, "late": DONE}


def run(stage: Stage) -> Endings:
    """A job is queued, claimed, forked, runs and ends."""
    worker = _two_workers(stage)
    if stage.cell.point.name.startswith(_AFTER_HANDLER):
        stage.open("target")
    stage.arm()
    stage.enqueue("target", stage.cell.kind)
    return _struck(stage, worker)


def heartbeat(stage: Stage) -> Endings:
    """A job runs, and its supervisor says that it lives."""
    return _struck(stage, _target_runs(stage))


def _struck(stage: Stage, worker: Supervisor) -> Endings:
    """The fault; nothing outlives a kill."""
    stage.strike(worker)
    if stage.cell.fault in ("kill", "kill with job"):
        promises.nothing_outlives(stage)
    return _endings(stage, expected.of_target(stage.cell))


def enqueue(stage: Stage) -> Endings:
    """``agents job enqueue``: when it has said yes, the job is there; else it is there whole, or not at all."""
    _two_workers(stage)
    stage.open("target")
    stage.arm()
    payload = json.dumps(stage.payload("target", stage.cell.kind))
    command = stage.command("job", "enqueue", "work", "--payload", payload, "--format", "json", at_fault=True)
    stage.strike()
    out = stage.outcome(command)
    if command.returncode == 0:
        stage.jobs["target"] = json.loads(out)["data"]["job_id"]
        stage.acknowledged.add(stage.jobs["target"])
        stage.told.append("it was acknowledged")
    else:
        known = set(stage.jobs.values())
        there = [job for job in stage.client.list() if job.job_id not in known]
        stage.told.append("no acknowledgement, and the job is " + ("there, whole" if there else "not there"))
        assert len(there) <= 1, f"one command made {len(there)} jobs"
        if there:
            stage.jobs["target"] = there[0].job_id
    return _endings(stage, DONE)


def cancel(stage: Stage) -> Endings:
    """``agents job cancel`` of a job that runs."""
    worker = _target_runs(stage)
    by_client = stage.cell.point.actor is Actor.CLIENT
    command = stage.command("job", "cancel", stage.jobs["target"], at_fault=by_client)
    stage.strike(worker)
    stage.outcome(command)
    asked = stage.client.get(stage.jobs["target"]).cancel_requested_at is not None
    stage.told.append("the request is stored" if asked else "the request is not stored")
    if not asked:
        assert command.returncode != 0, "a cancel was acknowledged and is not stored"
        return _endings(stage, DONE)
    _ends(stage)
    return _endings(stage, {"cancelled"})


def _ends(stage: Stage) -> None:
    """Wait for the end of the target, which nobody lets through its gate."""
    eventually(lambda: promises.all_ended(stage, stage.jobs["target"]), 20, "the target job ends")


def time_out(stage: Stage) -> Endings:
    """A job runs longer than it may."""
    worker = _two_workers(stage)
    stage.arm()
    stage.begin("target", stage.cell.kind, timeout=0.8)
    stage.strike(worker)
    _ends(stage)
    return _endings(stage, {"timeout"} | (LOST if stage.cell.fault in ("kill", "error") else set()))


def supervisor_killed(stage: Stage) -> Endings:
    """The supervisor was killed, and its spawner ends the trees."""
    worker = _target_runs(stage)
    worker.kill()
    stage.strike()
    if stage.cell.fault == "delay":
        promises.nothing_outlives(stage)
    _ends(stage)
    return _endings(stage, LOST) | {"near": LOST}


def spawner_killed(stage: Stage) -> Endings:
    """The spawner was killed, and its supervisor ends what it leaves and starts another."""
    worker = _target_runs(stage)
    os.kill(worker.spawner_pid, signal.SIGKILL)
    stage.strike(worker)
    _ends(stage)
    return _endings(stage, LOST) | {"near": LOST}


def _lone_worker(stage: Stage) -> Supervisor:
    """The only worker there is, and the target runs in it."""
    stage.connect()
    worker = stage.start(1)
    stage.begin("target", stage.cell.kind)
    return worker


def reap(stage: Stage) -> Endings:
    """A worker and its spawner were killed in one instant, and another worker ends what they leave."""
    dying = _lone_worker(stage)
    worker = stage.faulty_worker()
    stage.arm()
    dying.kill_with_spawner()
    stage.strike(worker)
    return _endings(stage, LOST)


def succeed(stage: Stage) -> Endings:
    """A worker and its spawner were killed, nobody is there, and the next worker to start ends what they leave."""
    _lone_worker(stage).kill_with_spawner()
    stage.arm()
    successor = stage.start(2, at_fault=True, ready=False)
    stage.strike(successor)
    return _endings(stage, LOST)


def take_over(stage: Stage) -> Endings:
    """Worker and spawner were killed, no other is there, and a cancel ends what they leave."""
    _lone_worker(stage).kill_with_spawner()
    stage.arm()
    command = stage.command("job", "cancel", stage.jobs["target"], at_fault=True)
    stage.strike()
    stage.outcome(command)
    if command.returncode:
        stage.told.append("the cancel was run again")
        stage.must("job", "cancel", stage.jobs["target"])
    _ends(stage)
    return _endings(stage, {"cancelled"})


def shut_down(stage: Stage) -> Endings:
    """The worker is told to stop while jobs run."""
    worker = _target_runs(stage)
    worker.process.terminate()
    stage.strike(worker)
    code = worker.process.wait(30 * PATIENCE)
    if stage.cell.fault in ("stop", "delay"):
        assert code == 0, f"exit {code}: {worker.said}"
    stage.told.append("what was interrupted is queued anew")
    ended = {"interrupted"} if stage.cell.point.progress is Progress.ENDED else {"interrupted", *LOST}
    return _endings(stage, ended) | {"near": ended}


def prune(stage: Stage) -> Endings:
    """``agents job prune`` of jobs that have ended."""
    _two_workers(stage)
    stage.open("old")
    old = [stage.enqueue("old", "plain") for _ in range(3)]
    eventually(
        lambda: all(stage.client.get(job_id).status.is_terminal for job_id in old), 30, "the old jobs end"
    )
    stage.arm()
    command = stage.command("job", "prune", "--older-than", "0 s", at_fault=True)
    stage.strike()
    stage.outcome(command)
    if command.returncode:
        stage.told.append("the prune was run again")
        stage.must("job", "prune", "--older-than", "0 s")
    _is_pruned(stage, old)
    return _endings(stage, DONE)


def _is_pruned(stage: Stage, old: list[str]) -> None:
    there = {job.job_id for job in stage.client.list()} & set(old)
    assert not there, f"not pruned: {there}"
    logs = [job_id for job_id in old if stage.home.state.job_logs(job_id).exists()]
    assert not logs, f"logs without a job: {logs}"
    stage.acknowledged -= set(old)
    lines = stage.effects.read_text().split()
    stage.effects.write_text("".join(f"{line}\n" for line in lines if line not in old))
    del stage.jobs["old"]


SCENARIOS: dict[str, Callable[[Stage], Endings]] = {
    "enqueue": enqueue,
    "migrate": migrating.migrate,
    "run": run,
    "fork ahead": run,  # the job has got the last process that stood by
    "heartbeat": heartbeat,
    "cancel": cancel,
    "time out": time_out,
    "supervisor killed": supervisor_killed,
    "spawner killed": spawner_killed,
    "reap": reap,
    "succeed a dead worker": succeed,
    "take over": take_over,
    "shut down": shut_down,
    "prune": prune,
    "execute": planning.execute,
    "apply": planning.apply,
    "execute in the foreground": foreground.execute,
    "apply in the foreground": foreground.apply,
    "revert": foreground.revert,
}
