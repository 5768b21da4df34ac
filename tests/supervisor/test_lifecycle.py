"""Real supervisors, spawners and jobs, ended in every way."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import psutil
import pytest
from support.home import Home
from support.patience import PATIENCE, eventually
from support.processes import is_alive
from support.queue import add_plan
from support.supervisor import STANDBYS, Supervisor

from agentsd import Client
from agentsd.errors import ConflictError, InvalidInputError, NotFoundError, WaitTimeoutError
from agentsd.model import AsyncJob, AsyncJobStatus, Phase, PlanState, Reason
from agentsd.store import plans
from agentsd.store.jobs import NewJob, insert
from agentsd.supervisor import cancelling
from agentsd.workers.title import standing_by

Start = Callable[..., Supervisor]
Begin = Callable[..., AsyncJob]
STUBBORN = {"then": "stubborn"}
SHOUT = "yes | head -c 1000000; sleep 600"


def pids_of(job: AsyncJob) -> list[int]:
    """The processes that the phase ``tree`` has started."""
    return list(orjson.loads(job.progress or "{}")["pids"].values())


def none_left(pids: list[int], seconds: float = 2) -> None:
    """Within *seconds*, none of *pids* lives."""
    eventually(lambda: not any(map(is_alive, pids)), seconds, f"none of {pids} is left")


def end_of(client: Client, job: AsyncJob, seconds: float = 15) -> AsyncJob:
    """The job as it ended."""
    return client.wait(job.job_id, timeout=seconds * PATIENCE)


def ladder(client: Client, job: AsyncJob) -> list[str]:
    """The stages of the ladder in the event of a job's end."""
    return [stage["stage"] for stage in client.events(job.job_id)[-1].detail.get("ladder", [])]


# -- results ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "payload", "status", "reason", "error"),
    [
        ("echo", {"a": ["ü", None]}, "succeeded", "completed", None),
        ("big-result", {"bytes": 3_000_000}, "succeeded", "completed", None),
        ("raise", None, "failed", "handler_error", "ValueError: raised on purpose"),
        (
            "raise",
            {"kind": "KeyboardInterrupt"},
            "failed",
            "handler_error",
            "KeyboardInterrupt: raised on purpose",
        ),
        ("unserialisable", None, "failed", "handler_error", "the result is not JSON"),
        ("exit", {"code": 0}, "failed", "exited", "exit code 0 and without a result"),
        ("sys-exit", {"code": 256}, "failed", "exited", "exit code 0 and without a result"),
        ("exit", {"code": 7}, "failed", "exited", "exit code 7"),
        ("sys-exit", {"code": "words"}, "failed", "exited", "exit code 1"),
        ("sys-exit", {"code": None}, "failed", "exited", "exit code 0"),
        ("crash", None, "failed", "signalled", "ended by SIGKILL"),
        ("close-all", None, "failed", "exited", "without a result"),
        (
            "snippet",
            {"code": "raise ValueError('\\udcff')"},
            "failed",
            "handler_error",
            "ValueError: \\udcff",
        ),
        ("snippet", {"code": "import sys; sys.stdout = sys.stderr = None"}, "succeeded", "completed", None),
        ("scribble", None, "failed", "exited", "without a result ("),
    ],
)
def test_every_way_a_handler_ends(
    client: Client,
    begin: Begin,
    start: Start,
    phase: str,
    payload: object,
    status: str,
    reason: str,
    error: str | None,
) -> None:
    """Status, reason and a sentence; success only with a whole result and exit status 0."""
    start()
    job = end_of(client, client.enqueue(phase, payload=payload))

    assert (status, reason) == (job.status, job.reason), job
    assert error is None or error in (job.error or "")
    assert job.finished_at is not None
    assert job.max_rss_bytes is not None
    assert job.max_rss_bytes > 1_000_000
    if phase == "echo":
        assert payload == orjson.loads(job.result or "")


FORKING = """
import os
if os.fork() == 0:
    answer = "child"
else:
    os.wait()
    answer = "parent"
"""


def test_a_child_that_falls_out_of_the_handler_has_no_say(client: Client, start: Start) -> None:
    """A handler forked, and its child returned, too: what counts is the job process's own word."""
    start()
    job = client.wait(client.enqueue("snippet", payload={"code": FORKING}).job_id, timeout=20)

    assert (AsyncJobStatus.SUCCEEDED, '"parent"') == (job.status, job.result)


def test_what_cannot_run_says_so(client: Client, start: Start) -> None:
    """A payload that is no envelope, a phase that is gone: no process, no retry, a clear reason."""
    start(max_attempts=3)
    ids = ["0" * 25 + "A", "0" * 25 + "B"]
    for job_id, phase, payload in zip(
        ids, ("noop", "gone"), ("rubbish", '{"schema_version":1}'), strict=True
    ):
        client.db.connection.execute(
            "INSERT INTO async_jobs (job_id, plan_id, phase, status, payload_json, schema_version, created_at)"
            " VALUES (?, ?, ?, 'queued', ?, 1, '2026-01-01T00:00:00.000000Z')",
            (job_id, job_id, phase, payload),
        )
    ended = [client.wait(job_id, timeout=10) for job_id in ids]

    assert [Reason.BAD_PAYLOAD] * 2 == [job.reason for job in ended]
    assert "not JSON" in (ended[0].error or "")
    assert "No installed package registers the phase 'gone'" in (ended[1].error or "")


def test_a_poison_job_ends_after_its_attempts(client: Client, start: Start) -> None:
    """Each crash counts, each attempt is a row, and the wait follows them."""
    start(max_attempts=3)
    first = client.enqueue("crash")
    last = end_of(client, first)

    assert (3, Reason.SIGNALLED) == (last.attempt, last.reason)
    assert 3 == len(client.list())
    assert first.job_id != last.job_id


def test_usage_and_last_words_of_a_killed_job(client: Client, begin: Begin, start: Start) -> None:
    """`kill -9` of a job process: failed at once, with signal, CPU, peak memory and the last output."""
    start()
    job = end_of(client, client.enqueue("crash"))

    assert ("SIGKILL", None) == (job.signal, job.exit_code)
    assert (job.user_s or 0) + (job.system_s or 0) > 0
    assert "the last line before the crash" in client.events(job.job_id)[-1].detail["last_lines"]


def test_too_much_output_ends_the_job(client: Client, home: Home, start: Start) -> None:
    """Past the limit the job ends, and what is kept is cut to it."""
    start(log_limit="64 KiB")
    job = end_of(client, client.enqueue("tool", payload={"argv": ["sh", "-c", SHOUT]}))

    assert Reason.OUTPUT_LIMIT == job.reason
    log = home.state.job_logs(job.job_id) / "job.log"
    assert 64 * 1024 == log.stat().st_size


@pytest.mark.parametrize("users", [None, "yes"])
def test_how_a_spawner_is_linked_is_not_for_tools(
    client: Client, home: Home, start: Start, users: str | None
) -> None:
    """A job's tools have the user's environment, not what makes forks cheap."""
    if users is not None:
        home.environ["LD_BIND_NOW"] = users
    start()
    argv = ["sh", "-c", 'echo "${LD_BIND_NOW-none}"']
    job = end_of(client, client.enqueue("tool", payload={"argv": argv}))

    assert (home.state.job_logs(job.job_id) / "job.log").read_text() == f"{users or 'none'}\n"


# -- cancel and timeout -----------------------------------------------------------------------------


@pytest.mark.parametrize("then", ["hold", "stubborn"])
def test_cancelling_a_tree_leaves_nothing(client: Client, begin: Begin, start: Start, then: str) -> None:
    """Child, setsid grandchild and daemon, all ignoring TERM: gone before the row says cancelled."""
    start(cancel_grace="0.5 s")
    job = begin("tree", {"then": then}, progress=True)
    outcome = client.cancel(job.job_id, reason="wrong branch")
    ended = end_of(client, job)

    assert outcome.acknowledged
    assert not any(map(is_alive, pids_of(job)))
    assert (AsyncJobStatus.CANCELLED, Reason.CANCELLED) == (ended.status, ended.reason)
    assert (["TERM"] if then == "hold" else ["TERM", "KILL"]) == ladder(client, job)
    assert "wrong branch" in (ended.error or "")


def test_a_timeout_leaves_nothing(client: Client, begin: Begin, start: Start) -> None:
    """The same for a job that runs too long and ignores TERM."""
    start(cancel_grace="0.3 s")
    job = begin("tree", STUBBORN, progress=True, timeout=0.5)
    ended = end_of(client, job)

    assert not any(map(is_alive, pids_of(job)))
    assert (AsyncJobStatus.FAILED, Reason.TIMEOUT) == (ended.status, ended.reason)
    assert ["TERM", "KILL"] == ladder(client, job)


def test_success_leaves_nothing_either(client: Client, start: Start) -> None:
    """What a job leaves running is ended before it counts as succeeded."""
    start()
    job = end_of(client, client.enqueue("tree", payload={"then": "return"}))

    assert Reason.COMPLETED == job.reason
    pids = orjson.loads(job.result or "{}")
    assert 4 == len(pids)
    assert not any(map(is_alive, pids.values()))


def test_a_hopper_is_caught_and_its_neighbour_is_not_touched(
    client: Client, begin: Begin, start: Start, tmp_path: Path
) -> None:
    """Processes that fork and exit for ever end with their job; another job goes on."""
    start(cancel_grace="0.3 s")
    gate = tmp_path / "gate"
    neighbour = begin("gate", {"gate": str(gate)})
    job = begin("hopper", {"count": 3})
    client.cancel(job.job_id)
    assert Reason.CANCELLED == end_of(client, job, 20).reason
    gate.touch()

    assert Reason.COMPLETED == end_of(client, neighbour).reason


@pytest.mark.parametrize(("number", "stage"), [("kill", "KILL"), ("SIGINT", "INT"), ("2", "INT")])
def test_the_first_signal_can_be_chosen(
    client: Client, begin: Begin, start: Start, number: str, stage: str
) -> None:
    """By name or number."""
    start()
    job = begin("sleep", {"seconds": 600})
    client.cancel(job.job_id, signal=number)

    assert Reason.CANCELLED == end_of(client, job).reason
    assert stage == ladder(client, job)[0]
    with pytest.raises(InvalidInputError, match="such as TERM"):
        client.cancel(job.job_id, signal="NOISE")


def test_a_second_cancel_can_be_harsher(client: Client, home: Home, begin: Begin, start: Start) -> None:
    """A job that ignores TERM need not be waited for until the grace is over."""
    start(cancel_grace="600 s")
    entered = home.root / "entered"
    job = begin("ignore-term", {"entered": str(entered)})
    eventually(entered.exists, 20, "it ignores TERM")
    client.cancel(job.job_id)
    client.cancel(job.job_id, signal="KILL")

    assert Reason.CANCELLED == end_of(client, job).reason
    assert ["TERM", "KILL"] == ladder(client, job)


def test_cancel_at_the_instant_of_start_is_never_lost(client: Client, start: Start) -> None:
    """Whatever moment of fork and handshake it hits, each job ends cancelled, at once."""
    start(max_workers=2)
    ids = [client.enqueue("cooperative", payload={}).job_id for _ in range(30)]
    for job_id in ids:
        client.cancel(job_id)
    ended = [client.wait(job_id, timeout=20 * PATIENCE) for job_id in ids]

    assert {AsyncJobStatus.CANCELLED} == {job.status for job in ended}


def test_a_stopped_job_still_ends_at_its_timeout(client: Client, begin: Begin, start: Start) -> None:
    """CONT follows TERM, and KILL works in any case."""
    start(cancel_grace="0.3 s")
    job = begin("sleep", {"seconds": 600}, timeout=0.5)
    os.kill(job.pid or 0, signal.SIGSTOP)

    assert Reason.TIMEOUT == end_of(client, job).reason


def test_a_signal_to_a_job_reaches_the_job_only(client: Client, begin: Begin, start: Start) -> None:
    """`kill -TERM` of a job process by hand cancels that job; the supervisor goes on."""
    supervisor = start()
    job = begin("sleep", {"seconds": 600})
    os.kill(job.pid or 0, signal.SIGTERM)
    ended = end_of(client, job)

    assert Reason.CANCELLED == ended.reason
    assert "by a SIGTERM from outside" in (ended.error or "")
    assert Reason.COMPLETED == end_of(client, client.enqueue("noop")).reason
    assert 0 == supervisor.stop()


# -- kill -9 ----------------------------------------------------------------------------------------


def test_a_killed_spawner_is_replaced(client: Client, begin: Begin, start: Start) -> None:
    """Its jobs end worker_lost with nothing left of them; the supervisor goes on with a new one."""
    supervisor = start()
    job = begin("tree", STUBBORN, progress=True)
    os.kill(supervisor.spawner_pid, signal.SIGKILL)
    ended = end_of(client, job)

    assert Reason.WORKER_LOST == ended.reason
    none_left(pids_of(job), 0)
    assert Reason.COMPLETED == end_of(client, client.enqueue("noop")).reason
    assert 0 == supervisor.stop()


def test_a_job_that_kills_its_spawner_is_the_one_that_fails(client: Client, start: Start) -> None:
    """A supervisor gives up only when it happens again and again."""
    supervisor = start()
    ended = [end_of(client, client.enqueue("kill-parent")) for _ in range(4)]

    assert {Reason.WORKER_LOST} == {job.reason for job in ended}
    assert Reason.COMPLETED == end_of(client, client.enqueue("noop")).reason
    assert Reason.WORKER_LOST == end_of(client, client.enqueue("kill-parent")).reason
    assert 1 == supervisor.process.wait(10)


def test_a_killed_supervisor_leaves_nothing(client: Client, begin: Begin, start: Start) -> None:
    """Within two seconds, with no restart; the next supervisor ends the row at once."""
    supervisor = start()
    job = begin("tree", STUBBORN, progress=True)
    spawner = supervisor.spawner_pid
    supervisor.kill()
    none_left([*pids_of(job), spawner])
    assert AsyncJobStatus.RUNNING == client.get(job.job_id).status
    start()

    assert Reason.WORKER_LOST == end_of(client, job).reason


def test_a_stopped_spawner_wakes_up_when_its_supervisor_is_killed(
    client: Client, begin: Begin, start: Start
) -> None:
    """Its group becomes orphaned, and the kernel continues it."""
    supervisor = start(own_session=True)
    job = begin("tree", STUBBORN, progress=True)
    spawner = supervisor.spawner_pid
    os.kill(spawner, signal.SIGSTOP)
    eventually(lambda: psutil.Process(spawner).status() == psutil.STATUS_STOPPED, 5, "the spawner is stopped")
    supervisor.kill()

    none_left([*pids_of(job), spawner], 5)


@pytest.mark.parametrize("who", ["the next start", "a cancel", "the next run"])
def test_both_killed_at_once_are_cleaned_up_by_whoever_comes(
    client: Client, begin: Begin, start: Start, who: str
) -> None:
    """Found by identity and marker, ended, and only then written."""
    supervisor = start()
    job = begin("tree", STUBBORN, progress=True)
    supervisor.kill_with_spawner()
    if who == "a cancel":
        outcome = client.cancel(job.job_id)
        assert outcome.acknowledged
        expected = Reason.CANCELLED
    elif who == "the next run":
        client.bury_dead_owner(job.plan_id)
        expected = Reason.WORKER_LOST
    else:
        start()
        expected = Reason.WORKER_LOST
    ended = end_of(client, job)

    assert expected == ended.reason
    none_left(pids_of(job), 0)


def test_force_ends_a_job_whose_worker_is_stopped(
    client: Client, begin: Begin, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without force it is only said; with it the tree is gone, and the worker drops what it has later."""
    monkeypatch.setattr(cancelling, "ACKNOWLEDGE", 0.3)
    supervisor = start()
    job = begin("tree", STUBBORN, progress=True)
    supervisor.freeze()
    assert not client.cancel(job.job_id).acknowledged
    outcome = client.cancel(job.job_id, force=True)

    assert (AsyncJobStatus.CANCELLED, False) == (outcome.job.status, outcome.acknowledged)
    none_left(pids_of(job), 2)
    supervisor.thaw()
    assert Reason.COMPLETED == end_of(client, client.enqueue("noop")).reason
    assert AsyncJobStatus.CANCELLED == client.get(job.job_id).status


# -- shutdown ---------------------------------------------------------------------------------------


@pytest.fixture
def gated(begin: Begin, start: Start, tmp_path: Path) -> tuple[Supervisor, AsyncJob, Path]:
    """A worker, and a job of it that ends as soon as the file is there."""
    gate = tmp_path / "gate"
    return start(), begin("gate", {"gate": str(gate)}), gate


def test_the_first_signal_lets_jobs_finish(client: Client, gated: tuple[Supervisor, AsyncJob, Path]) -> None:
    """Nothing is claimed any more; exit code 0 when the last job has ended."""
    supervisor, job, gate = gated
    supervisor.process.send_signal(signal.SIGTERM)
    eventually(lambda: client.live_workers()[0].state == "draining", 5, "draining")
    waiting = client.enqueue("noop")
    gate.touch()

    assert 0 == supervisor.process.wait(10)
    assert Reason.COMPLETED == client.get(job.job_id).reason
    assert AsyncJobStatus.QUEUED == client.get(waiting.job_id).status
    assert client.live_workers() == []


def stop_in_stages(supervisor: Supervisor, stages: int) -> None:
    """One signal after the other, each when the one before was taken: two of a kind may arrive as one."""
    for stage in range(1, stages + 1):
        supervisor.process.send_signal(signal.SIGTERM)
        eventually(lambda stage=stage: f'"stage":{stage}' in supervisor.said, 10, f"stage {stage} is reached")


def test_a_terminal_that_is_closed_lets_jobs_finish(
    client: Client, gated: tuple[Supervisor, AsyncJob, Path]
) -> None:
    """Its shell says so and the kernel, too: two hang-ups, of which the second is no "once more"."""
    supervisor, job, gate = gated
    supervisor.process.send_signal(signal.SIGHUP)
    eventually(lambda: '"event":"stopping"' in supervisor.said, 10, "the first hang-up is taken")
    supervisor.process.send_signal(signal.SIGHUP)
    supervisor.process.send_signal(signal.SIGUSR1)  # delivered after it, as its number is higher
    eventually(lambda: '"event":"config_reloaded"' in supervisor.said, 10, "the second one is taken")
    gate.touch()

    assert 0 == supervisor.process.wait(10)
    assert Reason.COMPLETED == client.get(job.job_id).reason


@pytest.mark.parametrize("phase", ["cooperative", "ignore-term"])
def test_more_signals_end_them_and_they_are_queued_anew(
    client: Client, begin: Begin, start: Start, tmp_path: Path, phase: str
) -> None:
    """The second one is TERM, the third KILL; an interrupted job keeps its attempt."""
    supervisor, entered = start(cancel_grace="600 s"), tmp_path / "entered"
    job = begin(phase, {"entered": str(entered)})
    if phase == "ignore-term":
        eventually(entered.exists, 10, "it ignores TERM")
    stop_in_stages(supervisor, 2 if phase == "cooperative" else 3)
    assert 0 == supervisor.process.wait(15)
    ended = client.get(job.job_id)
    following = [found for found in client.list() if found.retry_of == job.job_id]

    assert Reason.INTERRUPTED == ended.reason
    assert [(1, AsyncJobStatus.QUEUED)] == [(found.attempt, found.status) for found in following]


def test_the_end_of_the_grace_is_the_second_signal(client: Client, begin: Begin, start: Start) -> None:
    """A worker that is told to stop does stop."""
    supervisor = start(shutdown_grace="0.2 s")
    job = begin("cooperative", {})
    client.stop_worker(supervisor.row.worker_id)

    assert 0 == supervisor.process.wait(10)
    assert Reason.INTERRUPTED == client.get(job.job_id).reason


def test_stopping_now_ends_jobs_first(client: Client, begin: Begin, start: Start) -> None:
    """`worker stop --now`; a worker that has ended, or never was, is told apart."""
    supervisor = start()
    worker_id = supervisor.row.worker_id
    begin("cooperative", {})
    client.stop_worker(worker_id, now=True)
    assert 0 == supervisor.process.wait(10)

    with pytest.raises(ConflictError, match="has ended already"):
        client.stop_worker(worker_id)
    with pytest.raises(NotFoundError):
        client.stop_worker("0" * 26)


def test_a_dead_worker_cannot_be_stopped(client: Client, start: Start) -> None:
    """Its pid may be somebody else's by now."""
    supervisor = start()
    worker_id = supervisor.row.worker_id
    supervisor.kill()

    with pytest.raises(ConflictError, match="does not run here"):
        client.stop_worker(worker_id)


def test_drain_ends_when_the_queue_is_empty(client: Client, home: Home) -> None:
    """All jobs run, then the worker ends by itself."""
    jobs = [client.enqueue("noop") for _ in range(5)]
    supervisor = Supervisor(home, "--drain").launch()

    assert 0 == supervisor.process.wait(20)
    assert {Reason.COMPLETED} == {client.get(job.job_id).reason for job in jobs}


EMBEDDED = """
    import sys
    from agentsd.store.paths import state_dir
    from agentsd.store.settings import load_settings
    from agentsd.supervisor.worker import AsyncWorker
    worker = AsyncWorker(state_dir(), load_settings(), drain=True, listener=lambda n: print(n.event, n.facts))
    worker.on_shutdown(lambda: 1 / 0)
    worker.on_shutdown(lambda: print("hook ran"))
    sys.exit(worker.run())
"""


def test_hooks_run_after_the_last_job(home: Home, client: Client) -> None:
    """One that fails is reported and keeps no other from running."""
    client.enqueue("noop")
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EMBEDDED)],
        env=home.environ, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip

    assert "hook_failed {'error': 'ZeroDivisionError: division by zero'}" in ended.stdout
    assert ended.stdout.index("job_ended") < ended.stdout.index("hook ran")


RUN_TWICE = """
    import gc, os
    from agentsd import connect
    from agentsd.store.paths import state_dir
    from agentsd.store.settings import load_settings
    from agentsd.supervisor.worker import AsyncWorker
    gc.disable()
    for _ in range(2):
        with connect() as client:
            client.enqueue("noop")
        AsyncWorker(state_dir(), load_settings(), drain=True).run()
        print(len(os.listdir("/proc/self/fd")))
"""


def test_a_worker_that_has_ended_holds_no_descriptor(home: Home) -> None:
    """The program that ran it goes on; what stood by in it had a channel each."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN_TWICE)],
        env=home.environ, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    before, after = ended.stdout.split()

    assert before == after


# -- settings, resources, faults --------------------------------------------------------------------


def test_usr1_reads_the_configuration_again(client: Client, home: Home, begin: Begin, start: Start) -> None:
    """More slots without a restart; a wrong file is reported and changes nothing."""
    config = Path(home.environ["AGENTS_CONFIG"])
    config.write_text("[async]\nmax_workers = 1\n")
    supervisor = start()
    begin("cooperative", {})
    config.write_text("[async]\nmax_workers = 'many'\n")
    supervisor.process.send_signal(signal.SIGUSR1)
    eventually(lambda: "many" in supervisor.said, 10, "the wrong value is reported")
    config.write_text("[async]\nmax_workers = 2\n")
    supervisor.process.send_signal(signal.SIGUSR1)
    begin("cooperative", {})

    assert 2 == supervisor.row.max_workers


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
            "thread",
        ),
        ("raise RuntimeError('broken on purpose')", "broken on purpose"),
    ],
)
def test_a_module_that_cannot_be_preloaded_is_refused(
    client: Client, home: Home, start: Start, source: str, words: str
) -> None:
    """It is reported, and jobs run without it."""
    (home.root / "preloaded.py").write_text(source)
    home.environ["PYTHONPATH"] = str(home.root)
    supervisor = start(preload="preloaded")

    assert Reason.COMPLETED == end_of(client, client.enqueue("noop")).reason
    assert words in supervisor.said


def test_a_preloaded_module_is_there_in_every_job(client: Client, home: Home, start: Start) -> None:
    """Imported once, in the spawner."""
    (home.root / "preloaded.py").write_text("import os; open(os.environ['MARK'], 'a').write('x')")
    home.environ |= {"PYTHONPATH": str(home.root), "MARK": str(home.root / "mark")}
    start(preload="preloaded,agentsd_test_phases.plain")
    for job in [client.enqueue("noop") for _ in range(3)]:
        assert Reason.COMPLETED == end_of(client, job).reason

    assert "x" == (home.root / "mark").read_text()


def test_a_fork_that_fails_burns_no_attempt(client: Client, start: Start) -> None:
    """With no descriptor left in the spawner the claim is held; the job runs when there are some again."""
    supervisor = start()
    limits = resource.prlimit(supervisor.spawner_pid, resource.RLIMIT_NOFILE)
    eventually(lambda: len(standing_by(supervisor.spawner_pid)) == STANDBYS, 10, "all stand by")
    used = {int(name) for name in os.listdir(f"/proc/{supervisor.spawner_pid}/fd")}
    one, two = [number for number in range(200) if number not in used][:2]
    resource.prlimit(supervisor.spawner_pid, resource.RLIMIT_NOFILE, (one, limits[1]))
    first = client.enqueue("noop")
    eventually(lambda: "no process" in supervisor.said, 10, "its channel does not arrive")
    resource.prlimit(supervisor.spawner_pid, resource.RLIMIT_NOFILE, (two, limits[1]))
    end_of(client, first)
    told = supervisor.said.count("no process")
    later = [client.enqueue("noop") for _ in range(STANDBYS)]
    eventually(lambda: supervisor.said.count("no process") > told + 1, 10, "the pidfd of a forked one fails")
    resource.prlimit(supervisor.spawner_pid, resource.RLIMIT_NOFILE, limits)
    ends = [end_of(client, job) for job in (first, *later)]

    assert {(Reason.COMPLETED, 1)} == {(ended.reason, ended.attempt) for ended in ends}
    assert len(ends) == len(client.list())


def test_a_supervisor_without_descriptors_refuses_nothing(client: Client, start: Start) -> None:
    """Which phases there are cannot be read then: that proves nothing against a job, which waits."""
    supervisor = start()
    limits = resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE)
    eventually(lambda: len(standing_by(supervisor.spawner_pid)) == STANDBYS, 10, "all stand by")
    used = {int(name) for name in os.listdir(f"/proc/{supervisor.pid}/fd")}
    resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE, (min({*range(200)} - used), limits[1]))
    job = client.enqueue("noop")
    eventually(lambda: "Too many open files" in supervisor.said, 10, "it says why nothing is claimed")
    resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE, limits)

    assert Reason.COMPLETED == end_of(client, job).reason


def test_a_spawner_that_is_stopped_keeps_no_worker_from_its_end(start: Start) -> None:
    """It would not see that its link is closed."""
    supervisor = start()
    os.kill(supervisor.spawner_pid, signal.SIGSTOP)

    assert 0 == supervisor.stop()


def test_a_store_that_cannot_be_written_loses_no_result(
    client: Client, begin: Begin, start: Start, tmp_path: Path
) -> None:
    """As on a full disk: the result is kept and written when there is room; deadlines go on."""
    supervisor = start(cancel_grace="0.2 s")
    gate = tmp_path / "gate"
    job, slow = begin("gate", {"gate": str(gate)}), begin("tree", STUBBORN, progress=True, timeout=1.0)
    unlimited = resource.prlimit(supervisor.pid, resource.RLIMIT_FSIZE, (16_384, resource.RLIM_INFINITY))
    gate.touch()
    none_left(pids_of(slow), 10)
    eventually(
        lambda: "cannot be written" in supervisor.said or "unwritable" in supervisor.said, 10, "it is said"
    )
    assert AsyncJobStatus.RUNNING == client.get(job.job_id).status
    resource.prlimit(supervisor.pid, resource.RLIMIT_FSIZE, unlimited)

    assert [Reason.COMPLETED, Reason.TIMEOUT] == [end_of(client, found).reason for found in (job, slow)]


@pytest.mark.parametrize("how", ["deleted", "replaced", "without its log", "without its index"])
def test_a_store_that_is_gone_ends_the_worker(
    client: Client, home: Home, begin: Begin, start: Start, how: str
) -> None:
    """It does not work on a ghost: its jobs end, exit code 1."""
    supervisor = start(job_ttl="1 s")
    job = begin("tree", STUBBORN, progress=True)
    copy = home.state.database.read_bytes()
    ends = {"without its log": "-wal", "without its index": "-shm"}
    home.state.database.with_name(f"agents.db{ends.get(how, '')}").unlink()
    if how == "replaced":
        home.state.database.write_bytes(copy)

    assert 1 == supervisor.process.wait(10)
    none_left(pids_of(job), 0)
    assert "moved, deleted or replaced" in supervisor.said


def test_two_workers_share_the_work_and_run_nothing_twice(client: Client, start: Start) -> None:
    """Every job exactly once, both took part, and nobody saw a locked database."""
    workers = [start(), start()]
    with client.db.write() as tx:  # so long that the other one looks, too, before one has done it all
        ids = [insert(tx, NewJob(phase="sleep", data={"seconds": 0.05})).job_id for _ in range(200)]
    eventually(lambda: len(client.list(statuses=["succeeded"])) == len(ids), 60, "all have run")
    runs = client.db.read(
        "SELECT job_id, count(*) FROM job_events WHERE to_status = 'running' GROUP BY job_id"
    )

    assert {(job_id, 1) for job_id in ids} == set(runs)
    assert 2 == len({job.worker_id for job in client.list()})
    assert not any("locked" in worker.said for worker in workers)


def test_a_hung_spawner_is_woken(client: Client, begin: Begin, start: Start) -> None:
    """One that was stopped by hand is continued after ten seconds without an answer."""
    supervisor = start(job_ttl="2 s")
    os.kill(supervisor.spawner_pid, signal.SIGSTOP)
    job = client.enqueue("noop")

    assert Reason.COMPLETED == end_of(client, job, 30).reason


def test_waiting_has_a_limit_of_its_own(client: Client, begin: Begin, start: Start) -> None:
    """The job goes on; changes are told while waiting."""
    start()
    seen: list[str] = []
    job = begin("cooperative", {})
    with pytest.raises(WaitTimeoutError, match="it goes on"):
        client.wait(job.job_id, timeout=0.05, on_change=lambda found: seen.append(found.status))

    assert ["running"] == seen
    client.cancel(job.job_id)
    end_of(client, job)


def test_bad_input_is_refused_before_anything_is_stored(client: Client) -> None:
    """Phase, plan, timeout."""
    with pytest.raises(InvalidInputError, match="expected one of"):
        client.enqueue("nope")
    with pytest.raises(InvalidInputError, match="expected the id of a plan"):
        client.enqueue("execute")
    for timeout in (0, float("nan")):
        with pytest.raises(InvalidInputError, match="seconds above 0"):
            client.enqueue("noop", timeout=timeout)
    with pytest.raises(NotFoundError):
        client.enqueue("noop", plan_id="0" * 26)
    with pytest.raises(NotFoundError):
        client.retry("0" * 26)

    assert client.list() == []


# -- what only several faults at once bring about ---------------------------------------------------


def test_children_that_were_there_before_are_left_alone(client: Client, home: Home, begin: Begin) -> None:
    """A worker that a shell exec'ed has inherited children: a lost spawner's remnants go, they stay."""
    from support.operator import AGENTS  # noqa: PLC0415 - needed here only

    shell = subprocess.Popen(
        ["sh", "-c", f"sleep 600 & exec {AGENTS} worker start"],
        env=home.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        job = begin("tree", STUBBORN, progress=True)
        innocent = next(child for child in psutil.Process(shell.pid).children() if child.name() == "sleep")
        os.kill(client.live_workers()[0].spawner_pid or 0, signal.SIGKILL)

        assert Reason.WORKER_LOST == end_of(client, job).reason
        none_left(pids_of(job), 0)
        assert innocent.is_running()
        innocent.kill()
    finally:
        shell.terminate()
        shell.wait()


@pytest.mark.parametrize("stages", [3, 1])
def test_a_worker_that_cannot_write_its_last_words_still_ends(
    client: Client, begin: Begin, start: Start, tmp_path: Path, stages: int
) -> None:
    """The last stage ends it with exit code 1, by itself too; the next start finds the row and ends it."""
    supervisor = start(shutdown_grace="0.5 s", cancel_grace="0.5 s")
    gate = tmp_path / "gate"
    job = begin("gate", {"gate": str(gate)})
    resource.prlimit(supervisor.pid, resource.RLIMIT_FSIZE, (16_384, resource.RLIM_INFINITY))
    stop_in_stages(supervisor, stages)

    assert 1 == supervisor.process.wait(15)
    assert AsyncJobStatus.RUNNING == client.get(job.job_id).status
    start()
    assert Reason.WORKER_LOST == end_of(client, job).reason


@pytest.mark.parametrize("obstacle", ["a held mutex", "a full disk"])
def test_a_burial_waits_until_it_can_be_written(
    client: Client, home: Home, begin: Begin, start: Start, obstacle: str
) -> None:
    """The remnants are ended at once; the rows follow when the store can be written again."""
    from agentsd.store.mutex import WriterMutex  # noqa: PLC0415 - needed here only

    dying = start(max_workers=1)
    job = begin("tree", STUBBORN, progress=True)
    heir = start(poll_interval="0.05 s", retention="1 s")
    mutex = WriterMutex(home.state.root / "agents.db.lock")
    unlimited = resource.prlimit(heir.pid, resource.RLIMIT_FSIZE)
    if obstacle == "a held mutex":
        eventually(mutex.try_acquire, 5, "the mutex is free")
    else:
        resource.prlimit(heir.pid, resource.RLIMIT_FSIZE, (16_384, resource.RLIM_INFINITY))
    dying.kill_with_spawner()
    none_left(pids_of(job), 10)
    assert AsyncJobStatus.RUNNING == client.get(job.job_id).status
    if obstacle == "a held mutex":
        mutex.release()
    else:
        eventually(lambda: "cannot be written" in heir.said, 10, "it is said")
        resource.prlimit(heir.pid, resource.RLIMIT_FSIZE, unlimited)
    mutex.close()

    def is_buried() -> bool:
        history = client.events(job.job_id)
        return not history or history[-1].reason == Reason.WORKER_LOST  # it may have been pruned since

    eventually(is_buried, 15, "the job is ended")


def test_a_foreground_run_tries_again_as_often_as_the_configuration_says(client: Client, home: Home) -> None:
    """The successor of a failed attempt is the foreground's own; nothing else is taken from the queue."""
    plan_id = add_plan(client.db)
    code = textwrap.dedent("""
        import sys
        from agentsd import connect
        from agentsd.model import Phase
        from agentsd.store import plans
        from agentsd.supervisor.foreground import run_in_foreground
        from agentsd.workers import phases
        phases.BUILT_IN["execute"] = "agentsd_test_phases.ends:crash"
        with connect() as client:
            waiting = client.enqueue("noop")
            job = run_in_foreground(client, sys.argv[1], Phase.EXECUTE, on_progress=print)
            print(job.attempt, job.reason, client.get(waiting.job_id).status, plans.get(client.db, sys.argv[1]).state)
    """)
    home.set("async.max_attempts", 2)
    done = subprocess.run(
        [sys.executable, "-c", code, plan_id],
        env=home.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "2 signalled queued failed\n" == done.stdout


SEALED = """
import signal, os
from agentsd.errors import JobCancelled
def handler(job):
    job.token
    with job.shield():
        open(job.payload["entered"], "w").close()
        while not os.path.exists(job.payload["gate"]):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    job.token.raise_if_set()
    return "whole"
"""


@pytest.mark.parametrize("how", ["a cancel", "a timeout"])
def test_what_a_shield_covered_is_whole_and_says_so(
    client: Client, home: Home, start: Start, tmp_path: Path, how: str
) -> None:
    """A cancel or timeout that comes during the writes of an apply comes too late: it has succeeded."""
    (home.root / "sealed.py").write_text(SEALED)
    metadata = home.root / "sealed-1.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text("[agentsd.phases]\nsealed = sealed:handler\n")
    home.environ["PYTHONPATH"] = str(home.root)
    sys.path.append(str(home.root))
    try:
        start(cancel_grace="0.2 s")
        payload = {"entered": str(tmp_path / "entered"), "gate": str(tmp_path / "gate")}
        job = client.enqueue("sealed", payload=payload, timeout=0.5 if how == "a timeout" else None)
        eventually((tmp_path / "entered").exists, 10, "it writes")
        if how == "a cancel":
            client.cancel(job.job_id)
        eventually(lambda: client.get(job.job_id).started_at, 5, "it has begun")
        deadline = time.monotonic() + 1.0  # longer than timeout and grace together
        eventually(lambda: time.monotonic() > deadline, 5, "the ladder would have been climbed")
        (tmp_path / "gate").touch()

        assert ("succeeded", '"whole"') == (end_of(client, job).status, client.get(job.job_id).result)
    finally:
        sys.path.remove(str(home.root))


def test_a_phase_of_ones_own_may_belong_to_a_plan(client: Client, start: Start) -> None:
    """It moves no plan and there is no limit to one at a time; a plan that is gone is no obstacle to it."""
    plan_id = add_plan(client.db)
    made = [client.enqueue("echo", plan_id=plan_id, payload=number) for number in range(2)]
    orphan = client.enqueue("echo", plan_id=plan_id, payload="orphan")
    start()
    results = [end_of(client, job).result for job in (*made, orphan)]
    client.db.connection.execute("DELETE FROM plans")
    with client.db.write() as tx:
        lost = insert(tx, NewJob(phase="echo", plan_id=plan_id, data="late"))
        broken = insert(tx, NewJob(phase="apply", plan_id=plan_id))

    assert ["0", "1", '"orphan"'] == results
    assert '"late"' == end_of(client, lost).result
    assert Reason.BAD_PAYLOAD == end_of(client, broken).reason
    assert "There is no plan" in (client.get(broken.job_id).error or "")


def test_phases_of_plans_go_through_the_plan(client: Client) -> None:
    """`enqueue("execute")` is the same as enqueue_plan: the plan moves, and its own time limit counts."""
    plan_id = add_plan(client.db)
    job = client.enqueue("execute", plan_id=plan_id)

    assert (7, plan_id) == (job.timeout, job.plan_id)
    assert PlanState.EXECUTING == plans.get(client.db, plan_id).state
    with pytest.raises(ConflictError, match=job.job_id):
        client.enqueue_plan(plan_id, Phase.APPLY, timeout=3)
