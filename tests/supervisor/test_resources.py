"""When something runs out: no orphan, no lost result, no attempt used for what is not the job's fault; and limits."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.groups import V1, group_of_kind
from support.home import Home
from support.patience import eventually
from support.supervisor import STANDBYS, Supervisor

from agentsd import Client
from agentsd.model import AsyncJob, AsyncJobStatus, Reason
from agentsd.supervisor.running import RunningJob
from agentsd.supervisor.verdict import verdict
from agentsd.workers.cgroup import Group, counted
from agentsd.workers.frames import Kind
from agentsd.workers.memory import OutOfMemoryWatch
from agentsd.workers.output import OutputWatch, cut_logs
from agentsd.workers.title import standing_by

Start = Callable[..., Supervisor]
Begin = Callable[..., AsyncJob]

HOG = """
import os
if given["group"]:
    with open(given["group"] + "/cgroup.procs", "w") as procs:
        procs.write(str(os.getpid()))
print("hungry", flush=True)
kept = []
while True:
    kept.append(b"x" * 2**20)
"""
SHOUT = "yes 0123456789012345678901234567890123456789 | head -c {}"


def test_a_full_process_table_uses_no_attempt(client: Client, start: Start) -> None:
    """Fork says EAGAIN: the job stays in the queue, runs when there is room again, and nothing is left over."""
    worker = start()
    eventually(lambda: len(standing_by(worker.spawner_pid)) == STANDBYS, 10, "all stand by")
    with group_of_kind("pids") as group:
        (group / "cgroup.procs").write_text(str(worker.spawner_pid))
        (group / "pids.max").write_text("1")
        for _ in range(STANDBYS):  # those need no fork
            client.wait(client.enqueue("noop").job_id, timeout=20)
        job = client.enqueue("echo", payload="here")
        eventually(lambda: "no process can be made" in worker.said, 20, "a failing fork is reported")
        waiting = client.get(job.job_id)
        (group / "pids.max").write_text("max")
        ended = client.wait(job.job_id, timeout=30)
        (V1 / "pids" / "cgroup.procs").write_text(str(worker.spawner_pid))

    assert waiting.status is AsyncJobStatus.QUEUED
    assert (ended.reason, ended.attempt, ended.retry_of) == (Reason.COMPLETED, 1, None)
    assert len(client.list()) == STANDBYS + 1


def test_a_process_that_dies_before_it_begins_uses_no_attempt(
    client: Client, home: Home, start: Start
) -> None:
    """Its log cannot be opened, as on a full disk: it is tried again, and runs once that is mended."""
    worker = start()
    home.state.logs.rename(home.root / "elsewhere")
    home.state.logs.touch()
    job = client.enqueue("echo", payload="here")
    eventually(lambda: worker.said.count("ended before it could begin") >= 2, 20, "it is tried again")
    home.state.logs.unlink()
    (home.root / "elsewhere").rename(home.state.logs)
    ended = client.wait(job.job_id, timeout=30)

    assert (ended.reason, ended.attempt) == (Reason.COMPLETED, 1)


def test_a_kill_for_want_of_memory_is_called_so(client: Client, start: Start) -> None:
    """As likely: a SIGKILL that nobody of ours sent, and the counter of the worker's group, which rose just then."""
    with group_of_kind("memory") as group:
        (group / "memory.limit_in_bytes").write_text(str(200 * 2**20))
        _start_in(group, start)
        job = client.wait(client.enqueue("snippet", payload={"code": HOG, "group": ""}).job_id, timeout=60)
        last = client.events(job.job_id)[-1]
        after = client.wait(client.enqueue("echo", payload=1).job_id, timeout=20)

    assert (job.status, job.reason, job.signal) == (AsyncJobStatus.FAILED, Reason.OUT_OF_MEMORY, "SIGKILL")
    assert "The kernel likely killed it: memory ran out in its worker's memory group" in (job.error or "")
    assert last.detail["oom_suspicion"] == "in its worker's memory group"
    assert last.detail["last_lines"] == "hungry\n"
    assert after.status is AsyncJobStatus.SUCCEEDED


def test_want_of_memory_elsewhere_is_a_hint_and_no_reason(client: Client, begin: Begin, start: Start) -> None:
    """A stranger is killed for want of memory; a job that is killed by hand just then was not."""
    start()
    job = begin("cooperative", {})
    with group_of_kind("memory") as group:
        (group / "memory.limit_in_bytes").write_text(str(64 * 2**20))
        code = f"given = {{'group': {str(group)!r}}}\n{HOG}"
        stranger = subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False)
        os.kill(job.pid or 0, signal.SIGKILL)
        ended = client.wait(job.job_id, timeout=20)
    last = client.events(job.job_id)[-1]

    assert stranger.returncode == -signal.SIGKILL
    assert ended.reason is Reason.SIGNALLED
    assert "memory ran out on this machine just then, but nothing shows that this job was hit" in str(
        ended.error
    )
    assert last.detail["oom_hint"] == "on this machine"
    assert "oom_suspicion" not in last.detail


def _start_in(group: Path, start: Start) -> None:
    """Start a worker in a group of version 1 that this process is in meanwhile."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next(line.split(":", 2)[2] for line in lines if "memory" in line.split(":")[1].split(","))
    (group / "cgroup.procs").write_text(str(os.getpid()))
    try:
        start()
    finally:
        (V1 / "memory" / own.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))


def test_a_plain_kill_is_not_called_out_of_memory(client: Client, begin: Begin, start: Start) -> None:
    """Nothing rose: somebody killed it."""
    start()
    job = begin("cooperative", {})
    os.kill(job.pid or 0, signal.SIGKILL)

    assert client.wait(job.job_id, timeout=20).reason is Reason.SIGNALLED


def test_a_count_of_the_jobs_own_group_is_certain(tmp_path: Path) -> None:
    """What the kernel writes in memory.events is read, and the verdict says so without "likely"."""
    events = tmp_path / "memory.events"
    events.write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 1\n")
    job = RunningJob(
        job=AsyncJob(
            job_id="J", plan_id="J", phase="p", status=AsyncJobStatus.RUNNING, payload_json="{}",
            schema_version=1, created_at="",
        ),
        order_body=b"", handler="", timeout=1.0, rerun_safe=True,
        ended={"signal": "SIGKILL", "oom_kills": counted(events), "max_rss_bytes": 2**20},
    )  # fmt: skip
    ending = verdict(job, max_attempts=1, rerun_safe=False)

    assert ending.reason is Reason.OUT_OF_MEMORY
    assert ending.detail["oom_kills"] == 2
    assert "because the memory of its group was used up. Its process had 1.0 MiB" in (ending.error or "")
    assert counted(tmp_path / "nowhere") is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a group."""
    for name in ("cgroup.events", "cgroup.kill", "cgroup.procs", "memory.oom.group"):
        (tmp_path / name).touch()
    (tmp_path / "memory.events").write_text("max 12\noom 1\noom_kill 2\noom_group_kill 1\n")
    return tmp_path


def test_a_group_holds_its_counter_open(folder: Path) -> None:
    """With no descriptor left it can still be read; and all are given back."""
    before = len(os.listdir("/proc/self/fd"))
    group = Group(str(folder))
    (folder / "memory.events").write_text("oom_kill 3\n")
    (folder / "memory.events").rename(folder / "elsewhere")

    assert group.counts_memory
    assert group.oom_kills() == 3
    group.remove()
    assert before == len(os.listdir("/proc/self/fd"))


def test_a_group_that_does_not_count_has_counted_nothing(folder: Path) -> None:
    """Nor has one whose counter says nothing of kills, or cannot be read any more."""
    silent, gone = Group(str(folder)), Group(str(folder))
    (folder / "memory.events").write_text("max 12\n")
    os.dup2(gone._procs, gone._memory)  # pyright: ignore[reportPrivateUsage] - one that refuses to be read
    counts = [silent.oom_kills(), gone.oom_kills()]
    (folder / "memory.events").unlink()
    without = Group(str(folder))

    assert counts == [0, 0]
    assert (without.counts_memory, without.oom_kills()) == (False, 0)
    for group in (silent, gone, without):
        group.remove()


def test_a_group_that_is_not_whole_holds_nothing_open(folder: Path) -> None:
    """It is an error, as for a lack of descriptors."""
    (folder / "cgroup.procs").unlink()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        Group(str(folder))

    assert before == len(os.listdir("/proc/self/fd"))


@pytest.fixture
def counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, OutOfMemoryWatch, list[float]]]:
    """A counter, who watches it as its group's and the machine's, and its clock."""
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 1\n")
    watch = OutOfMemoryWatch()
    watch.group = watch.machine = str(counter)
    clock = [100.0]
    monkeypatch.setattr("agentsd.workers.memory.time.monotonic", lambda: clock[0])
    yield counter, watch, clock


def test_what_ran_out_long_ago_explains_no_death(counter: tuple[Path, OutOfMemoryWatch, list[float]]) -> None:
    """A rise counts for three seconds; what could not be read, then or now, counts for nothing."""
    file, watch, clock = counter
    assert not watch.hints()
    watch.look()
    assert not watch.hints()
    file.write_text("oom_kill 2\n")
    assert watch.hints()
    clock[0] += 2.9
    assert watch.hints()
    clock[0] += 0.2
    assert not watch.hints()
    file.unlink()
    watch.look()
    file.write_text("oom_kill 2\n")
    assert not watch.hints()


def test_each_process_that_was_counted_explains_one_death(
    counter: tuple[Path, OutOfMemoryWatch, list[float]],
) -> None:
    """Two jobs of a worker are killed, one of them by hand: only one of the two was out of memory."""
    file, watch, clock = counter
    file.unlink()
    watch.look()  # could not be read: proves nothing, and is no reason to fail
    clock[0] += 1
    file.write_text("oom_kill 1\n")
    watch.look()
    clock[0] += 2.5  # the first look is forgotten
    file.write_text("oom_kill 2\n")
    assert watch.explains()
    assert not watch.explains()
    watch.look()
    file.write_text("oom_kill 3\n")
    assert watch.explains()
    assert not watch.explains()


@pytest.mark.parametrize("counts", [True, False])
def test_a_group_that_counted_nothing_speaks_for_itself(
    counter: tuple[Path, OutOfMemoryWatch, list[float]], counts: bool
) -> None:
    """Where the job's own group counts, a rise of its worker's group was somebody else's."""
    file, watch, _ = counter
    group = SimpleNamespace(oom_kills=lambda: 0, counts_memory=counts)
    slot = SimpleNamespace(group=group, oom_before=0)
    leader: Any = SimpleNamespace(exit={"signal": "SIGKILL"}, cause="", slot=slot)
    watch.look()
    file.write_text("oom_kill 2\n")
    watch.note(leader)

    assert ("oom_suspicion" in leader.exit) == (not counts)
    assert ("oom_hint" in leader.exit) == counts


def test_without_a_counter_of_its_group_nothing_is_explained(
    counter: tuple[Path, OutOfMemoryWatch, list[float]],
) -> None:
    """The machine's counter is a hint, no more."""
    file, watch, _ = counter
    watch.group = None
    watch.look()
    file.write_text("oom_kill 2\n")

    assert not watch.explains()
    assert watch.hints()


# -- limits -----------------------------------------------------------------------------------------

SHOW = ["sh", "-c", "ulimit -v; ulimit -S -t; ulimit -H -t; ulimit -n; nice"]


@pytest.mark.parametrize(
    ("key", "value", "line", "shown"),
    [
        ("memory_limit", "1 GiB", 0, "1048576"),
        ("cpu_limit", "90 s", 1, "90"),
        ("cpu_limit", "90 s", 2, "95"),
        ("open_files_limit", 333, 3, "333"),
        ("nice", 7, 4, "7"),
    ],
)
def test_a_configured_limit_holds_in_every_process_of_a_job(
    client: Client, home: Home, start: Start, key: str, value: object, line: int, shown: str
) -> None:
    """Read by a tool that the job runs, beside one without: by default nothing is limited."""
    start(**{key: value})
    job = client.wait(client.enqueue("tool", payload={"argv": SHOW}).job_id, timeout=20)
    told = (home.state.job_logs(job.job_id) / "job.log").read_text().split()

    assert job.status is AsyncJobStatus.SUCCEEDED
    assert told[line] == shown
    assert [at for at, word in enumerate(told) if word == shown] == [line]


def test_a_plan_wins_over_the_configuration(client: Client, home: Home, start: Start) -> None:
    """What it does not limit, the configuration does."""
    project = home.root / "project"
    project.mkdir()
    plan = project / "plan.yaml"
    plan.write_text(
        "name: x\nsandbox: copy\nlimits: {open-files: 200, memory: 3 GiB, cpu-seconds: 77}\n"
        "steps: [{run: 'ulimit -n; nice; ulimit -v; ulimit -S -t'}]\n"
    )
    start(open_files_limit=100, nice=4, memory_limit="2 GiB", cpu_limit="50 s")
    from support.operator import Operator  # noqa: PLC0415 - only here

    operator = Operator(home, project)
    home.set("async.enabled", "true")
    plan_id = operator.run("plan", "create", "plan.yaml").stdout.strip()
    job_id = operator.ask("plan", "execute", plan_id).data["job_id"]
    job = client.wait(job_id, timeout=30)
    log = next(home.state.job_logs(job.job_id).glob("01-*.log")).read_text()

    assert log.split() == ["200", "4", str(3 * 2**20), "77"]


# -- output and results -----------------------------------------------------------------------------


def test_a_gigabyte_of_output_does_not_fill_the_disk(client: Client, home: Home, start: Start) -> None:
    """A tool that ignores TERM and goes on through its grace is cut down again and again; others run meanwhile."""
    start(log_limit="4 MiB", cancel_grace="1 s", max_workers=2)
    argv = ["sh", "-c", "trap '' TERM; " + SHOUT.format(2**30) + "; sleep 600"]
    job = client.enqueue("tool", payload={"argv": argv})
    log = home.state.job_logs(job.job_id) / "job.log"
    eventually(log.exists, 20, "it writes")
    other = client.wait(client.enqueue("echo", payload=1).job_id, timeout=20)
    largest = 0
    while not (ended := client.get(job.job_id)).status.is_terminal:
        largest = max(largest, log.stat().st_size if log.exists() else 0)

    assert ended.reason is Reason.OUTPUT_LIMIT
    assert other.finished_at is not None
    assert ended.finished_at is not None
    assert other.finished_at < ended.finished_at
    assert log.stat().st_size == 4 * 2**20
    assert largest < 2**29


def test_looks_come_sooner_the_faster_it_grows(tmp_path: Path) -> None:
    """Soon at first; then rarely while nothing is written; at once when the limit is near."""
    watch = OutputWatch(str(tmp_path), 1000)
    pauses: list[float] = []
    for _ in range(8):
        assert not watch.look()
        pauses.append(watch._pause)  # pyright: ignore[reportPrivateUsage]
    (tmp_path / "job.log").write_bytes(b"x" * 999)
    assert not watch.look()
    near = watch._pause  # pyright: ignore[reportPrivateUsage]
    (tmp_path / "job.log").write_bytes(b"x" * 1001)

    assert pauses == sorted(pauses)
    assert pauses[-1] == 0.5
    assert near == 0.02
    assert watch.look()
    assert (tmp_path / "job.log").stat().st_size == 1000


def test_what_is_no_file_is_not_cut(tmp_path: Path) -> None:
    """A link among a job's output may lead to anything, and a folder or a pipe keeps nobody from cutting the rest."""
    logs, precious = tmp_path / "logs", tmp_path / "precious"
    logs.mkdir()
    precious.write_text("x" * 100)
    (logs / "link.log").symlink_to(precious)
    (logs / "folder").mkdir()
    os.mkfifo(logs / "pipe")
    (logs / "job.log").write_text("y" * 10)
    cut_logs(str(logs), 0)

    assert precious.read_text() == "x" * 100
    assert (logs / "job.log").read_text() == ""


def test_a_result_of_50_megabytes_arrives(client: Client, start: Start) -> None:
    """Read as it comes, stored whole."""
    start()
    job = client.wait(client.enqueue("big-result", payload={"bytes": 50 * 10**6}).job_id, timeout=60)

    assert job.status is AsyncJobStatus.SUCCEEDED
    assert len(json.loads(job.result or "")) == 50 * 10**6


def test_a_payload_of_50_megabytes_arrives(client: Client, start: Start) -> None:
    """Sent on in many parts, none of which copies the rest."""
    start()
    job = client.enqueue("snippet", payload={"code": "answer = len(given['data'])", "data": "x" * 50 * 10**6})

    assert client.wait(job.job_id, timeout=30).result == str(50 * 10**6)


FLOOD = """
import os
from agentsd.workers.frames import Kind, encode
sockets = [fd for fd in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{fd}")
           and os.readlink(f"/proc/self/fd/{fd}").startswith("socket")]
water = encode(Kind.PROGRESS, b"1") * 5000
print("open", flush=True)
while True:
    os.write(sockets[0], water)
"""


FORGE = """
import os, zlib, struct
sockets = [fd for fd in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{fd}")
           and os.readlink(f"/proc/self/fd/{fd}").startswith("socket")]
body = bytes.fromhex(given["body"])
os.write(sockets[0], struct.pack("<IIB", len(body), zlib.crc32(body, given["kind"]), given["kind"]) + body)
answer = "written"
"""
FORGERIES = [
    (Kind.PROGRESS, b"\xff"),
    (Kind.PROGRESS, b"no json"),
    (Kind.RESULT, b"1"),
    (Kind.RESULT, b"{}"),
    (Kind.RESULT, b'{"result": 1}'),
    (Kind.RESULT, b'{"result": 1, "token": [1]}'),
    (Kind.ERROR, b'{"error": "x", "reason": "completed"}'),
    (Kind.ERROR, b'{"error": "x", "reason": ["handler_error"]}'),
    (Kind.ERROR, b'{"error": 1, "reason": "handler_error"}'),
    (Kind.CANCELLED, b'{"reason": {}}'),
]


def test_a_frame_that_a_handler_forged_ends_only_its_job(client: Client, begin: Begin, start: Start) -> None:
    """With a right checksum, and without what a verdict needs: its worker, and its neighbour, go on."""
    worker = start(max_workers=2)
    neighbour = begin("cooperative", {})
    for kind, body in FORGERIES:
        payload = {"code": FORGE, "kind": int(kind), "body": body.hex()}
        job = client.wait(client.enqueue("snippet", payload=payload).job_id, timeout=20)
        assert job.reason is Reason.EXITED, (kind, body, job)
        assert "without a result (" in (job.error or "")

    assert client.get(neighbour.job_id).status is AsyncJobStatus.RUNNING
    assert worker.process.poll() is None


def test_a_job_that_floods_its_channel_holds_up_nobody(client: Client, begin: Begin, start: Start) -> None:
    """Progress in native speed, for ever: others begin and end, it can be cancelled, and its worker beats."""
    worker = start(max_workers=2, job_ttl="4 s")
    flood = begin("snippet", {"code": FLOOD}, progress=True)
    beat = worker.row.beat
    others = [client.wait(client.enqueue("echo", payload=1).job_id, timeout=20) for _ in range(3)]
    eventually(lambda: worker.row.beat > beat, 20, "it beats")
    still = client.get(flood.job_id)
    client.cancel(flood.job_id)

    assert [other.reason for other in others] == [Reason.COMPLETED] * 3
    assert still.status is AsyncJobStatus.RUNNING
    assert client.wait(flood.job_id, timeout=20).reason is Reason.CANCELLED


# -- no descriptor in a job -------------------------------------------------------------------------

USE_ALL = """
import datetime, os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
except OSError:
    pass
"""


def test_a_handler_without_descriptors_is_told_as_any_other(client: Client, home: Home, start: Start) -> None:
    """It raises: reason, error and traceback need no file that is not open yet."""
    start()
    code = f"{USE_ALL}raise ValueError('nothing left')"
    job = client.wait(client.enqueue("snippet", payload={"code": code}).job_id, timeout=20)
    log = (home.state.job_logs(job.job_id) / "job.log").read_text()

    assert (job.status, job.reason) == (AsyncJobStatus.FAILED, Reason.HANDLER_ERROR)
    assert job.error == "ValueError: nothing left"
    assert log.startswith("Traceback (most recent call last):\n")
    assert 'File "snippet.py", line 9, in <module>' in log
    assert log.endswith("ValueError: nothing left\n")


def test_a_result_that_cannot_be_written_without_descriptors_is_an_error(
    client: Client, start: Start
) -> None:
    """What writes dates cannot be loaded any more; a plain result is none the worse."""
    start()
    codes = (f"{USE_ALL}answer = {{'at': datetime.date(2026, 1, 31)}}", f"{USE_ALL}answer = [1, 'a']")
    dated, plain = (
        client.wait(client.enqueue("snippet", payload={"code": code}).job_id, timeout=20) for code in codes
    )

    assert dated.reason is Reason.HANDLER_ERROR
    assert dated.error is not None
    assert dated.error.startswith(
        "TypeError: the result is not JSON: it is not plain, and orjson, which may know how"
    )
    assert "Too many open files" in dated.error
    assert (plain.reason, plain.result) == (Reason.COMPLETED, '[1,"a"]')


# -- no descriptor in the supervisor ----------------------------------------------------------------


def test_a_worker_without_descriptors_goes_on_when_it_has_some(client: Client, start: Start) -> None:
    """No channel to a process, then no spawner: neither ends the worker, and no attempt is used."""
    worker = start()
    client.wait(client.enqueue("noop").job_id, timeout=20)
    limits = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    waiting = [client.enqueue("echo", payload=number) for number in range(STANDBYS + 2)]
    eventually(lambda: "has ended (exit code 0)" in worker.said, 20, "a process that nobody can reach ends")
    eventually(
        lambda: not client.list(statuses=[AsyncJobStatus.RUNNING]),
        20,
        "what stood by before has done its work",
    )
    os.kill(worker.spawner_pid, signal.SIGKILL)
    eventually(lambda: "spawner_waits" in worker.said, 20, "the spawner is missed")
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, limits)
    ends = [client.wait(job.job_id, timeout=40) for job in waiting]

    assert {(Reason.COMPLETED, 1)} == {(end.reason, end.attempt) for end in ends}
    assert worker.process.poll() is None
