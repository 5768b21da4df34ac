"""Nothing of a job survives, whatever it is made of and whoever is killed; and what KILL cannot end is told."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.groups import freeze, group_of_kind, living_in, thaw
from support.home import Home
from support.operator import Operator
from support.patience import eventually
from support.supervisor import Supervisor

from agentsd import Client
from agentsd.model import AsyncJob, AsyncJobStatus, Reason
from agentsd.workers.cgroup import NoGroupError, remove
from agentsd.workers.delegation import find_worker_groups, usable_group
from agentsd.workers.leftover_groups import SIGNATURE, is_abandoned, sign
from agentsd.workers.process import MARKER

Start = Callable[..., Supervisor]
Begin = Callable[..., AsyncJob]

ZOO = """
import os, signal, subprocess, sys, time
from pathlib import Path
os.chdir(given["den"])
def animal(code, **options):
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True, **options)
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
animal(deaf)
animal("import os\\nif os.fork() == 0:\\n os.setsid()\\n if os.fork() == 0:\\n  exec(%r)\\nos._exit(0)" % deaf)
animal("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
animal("import os, time\\nend = time.monotonic() + 60\\nwhile time.monotonic() < end:\\n if os.fork(): os._exit(0)\\n time.sleep(0.001)")
animal("import subprocess, time\\nend = time.monotonic() + 60\\nwhile time.monotonic() < end: subprocess.Popen(['true'])")
if given["wiped"]:
    animal(deaf, env={})
job.progress("full")
if given["then"] == "return":
    answer = "done"
elif given["then"] == "hold":
    job.token.wait(600)
    job.token.raise_if_set()
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
"""
"""A deaf child, a double-forked daemon, a stopped process, a fork-and-exit hopper, a storm of vfork and exec, one without the marker."""

has_groups = True
try:
    usable_group()
except NoGroupError:
    has_groups = False
needs_groups = pytest.mark.skipif(not has_groups, reason="no control group is writable")
NETS = [
    "subreaper",
    pytest.param("cgroup", marks=needs_groups),
]


@pytest.fixture
def den(home: Home) -> Iterator[Path]:
    """Where the animals live, by which they are found."""
    path = home.root / "den"
    path.mkdir()
    yield path
    for pid in living_in(path):
        os.kill(pid, signal.SIGKILL)


def zoo(den: Path, then: str = "hold", *, wiped: bool = True) -> dict[str, object]:
    """The payload of a job that fills the den."""
    return {"code": ZOO, "den": str(den), "then": then, "wiped": wiped}


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("end", ["success", "cancel", "timeout", "kill"])
def test_nothing_is_left_at_any_end(
    client: Client, begin: Begin, start: Start, den: Path, net: str, end: str
) -> None:
    """The row is terminal only when the den is empty; a healthy neighbour goes on."""
    start(containment=net, cancel_grace="0.3 s", job_timeout="60 s")
    neighbour = begin("gate", {"gate": str(den / "gate")})
    if end == "success":
        job = client.enqueue("snippet", payload=zoo(den, "return"))
    else:
        job = begin("snippet", zoo(den, "ignore"), progress=True, timeout=1.0 if end == "timeout" else None)
    if end == "cancel":
        client.cancel(job.job_id)
    elif end == "kill":
        os.kill(job.pid or 0, signal.SIGKILL)
    ended = client.wait(job.job_id, timeout=40)
    survivors = [*living_in(den)]
    (den / "gate").touch()

    assert not survivors
    reasons = {"success": "completed", "cancel": "cancelled", "timeout": "timeout", "kill": "signalled"}
    assert reasons[end] == ended.reason
    assert AsyncJobStatus.SUCCEEDED == client.wait(neighbour.job_id, timeout=20).status


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    "victims",
    [
        "spawner",
        "supervisor",
        "job spawner",
        "job supervisor",
        "spawner supervisor",
        "job spawner supervisor",
    ],
)
def test_nothing_is_left_whoever_is_killed(
    client: Client, begin: Begin, start: Start, den: Path, net: str, victims: str
) -> None:
    """`kill -9` of any of the three, and of several in one instant: empty at once, or after the next start."""
    worker = start(containment=net)
    # Supervisor and spawner gone together, only the marker is left to find an orphan by, or its group.
    both = {"spawner", "supervisor"} <= set(victims.split())
    job = begin("snippet", zoo(den, wiped=net == "cgroup" or not both), progress=True)
    pids = {"spawner": worker.spawner_pid, "supervisor": worker.pid, "job": job.pid or 0}
    chosen = [pids[victim] for victim in victims.split()]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in chosen:
            os.kill(pid, number)
    if "supervisor" in victims:
        worker.process.wait()
    if both:
        start(containment=net)
    eventually(lambda: not [*living_in(den)], 20, lambda: f"left: {[*living_in(den)]}")
    if "supervisor" in victims and not both:
        start(containment=net)
    ended = client.wait(job.job_id, timeout=30)

    assert ended.status is AsyncJobStatus.FAILED
    assert ended.reason in {Reason.WORKER_LOST, Reason.SIGNALLED}


@needs_groups
def test_groups_come_and_go_with_their_worker(client: Client, home: Home, begin: Begin, start: Start) -> None:
    """A job is in the group of its slot, the worker's group is named by its id, and nothing of them stays."""
    worker = start(containment="cgroup")
    worker_id = worker.row.worker_id
    entered = home.root / "entered"
    job = begin("gate", {"gate": str(home.root / "gate"), "entered": str(entered)})
    eventually(entered.exists, 10, "the handler has begun")
    inside = Path(f"/proc/{job.pid}/cgroup").read_text().splitlines()[-1]
    (home.root / "gate").touch()
    client.wait(job.job_id, timeout=20)

    assert inside.endswith(f"/agents-{worker_id}/slot-0")
    assert find_worker_groups(worker_id)
    assert worker.stop() == 0
    assert not find_worker_groups(worker_id)


@needs_groups
def test_groups_that_somebody_removes_end_no_job(
    client: Client, begin: Begin, start: Start, den: Path
) -> None:
    """Empty ones can be removed by anybody: the neighbour in another slot goes on, later jobs run and leave nothing."""
    worker = start(containment="cgroup", max_workers=6)
    neighbour = begin("gate", {"gate": str(den / "gate")})

    def at_once(gate: str, *phases: str) -> list[Path]:
        """Run jobs of *phases* and four more, all at the same time, to their ends; returns the groups there were."""
        jobs = [client.enqueue(phase, payload={"then": "return"}) for phase in phases]
        jobs += [begin("gate", {"gate": str(den / gate)}) for _ in range(4)]
        groups = [*group.glob("slot-*")]
        (den / gate).touch()
        assert {client.wait(job.job_id, timeout=20).reason for job in jobs} == {Reason.COMPLETED}
        return groups

    spawner, group = worker.spawner_pid, find_worker_groups(worker.row.worker_id)[0]
    at_once("first")
    removed: list[Path] = []
    for slot in group.glob("slot-*"):
        with contextlib.suppress(OSError):  # somebody lives there
            slot.rmdir()
            removed.append(slot)
    at_once("second", "tree")
    # One that stood by meanwhile has none, and that is seen when its job has ended.
    later = (set(removed) & set(at_once(f"later {number}")) for number in range(8))
    assert any(later), "later jobs have a group again"

    (den / "gate").touch()
    assert client.wait(neighbour.job_id, timeout=20).reason is Reason.COMPLETED
    assert worker.spawner_pid == spawner


@pytest.fixture
def pair(start: Start) -> tuple[Supervisor, Supervisor]:
    """Two workers of one store with a control group each."""
    return start(containment="cgroup"), start(containment="cgroup")


@needs_groups
def test_the_next_start_removes_the_group_of_a_dead_worker(
    begin: Begin, pair: tuple[Supervisor, Supervisor]
) -> None:
    """By name: the id of a worker of this store. Another worker's group is left alone."""
    neighbour, first = pair
    begin("cooperative", {})
    dead = first.row.worker_id
    first.kill_with_spawner()

    eventually(lambda: not find_worker_groups(dead), 20, "the neighbour has removed it")
    assert find_worker_groups(neighbour.row.worker_id)


@needs_groups
def test_when_everybody_is_killed_a_cleanup_removes_the_group(
    pair: tuple[Supervisor, Supervisor], operator: Operator
) -> None:
    """Diagnostics sees it, a dry run names it, and what lives is left alone."""
    neighbour, dying = pair
    neighbour.freeze()  # it buries nobody
    group = find_worker_groups(dying.row.worker_id)[0]
    neighbours = find_worker_groups(neighbour.row.worker_id)[0]
    os.removexattr(group, SIGNATURE)  # a worker that another test starts would remove it
    dying.kill_with_spawner()
    found = [
        each["text"] for each in operator.ask("diagnostics").data["checks"] if each["level"] == "warning"
    ]
    would = operator.ask("cleanup", "--dry-run").data["removed"]
    assert group.exists()
    did = operator.ask("cleanup").data["removed"]

    assert "1 control group of killed workers is left: agents cleanup" in found
    assert (
        would
        == did
        == [
            {
                "kind": "control group",
                "path": str(group),
                "detail": "its worker was killed",
                "removable": True,
            }
        ]
    )
    assert not group.exists()
    assert neighbours.exists()
    assert operator.ask("cleanup").data["removed"] == []


@needs_groups
def test_the_next_worker_of_any_store_removes_the_group_of_a_killed_one(home: Home, start: Start) -> None:
    """That store may be gone for ever. What has no signature, or lives, is left alone."""
    dying, other = start(containment="cgroup"), Home()
    group = find_worker_groups(dying.row.worker_id)[0]
    unsigned = group.with_name(f"agents-unsigned-{os.getpid()}")
    unsigned.mkdir()
    dying.kill_with_spawner()
    stranger = Supervisor(other)
    try:
        stranger.start()
        eventually(lambda: not group.exists(), 20, "it is removed")
        assert unsigned.exists()
        assert find_worker_groups(stranger.row.worker_id)
    finally:
        stranger.end()
        unsigned.rmdir()
        other.remove()


@contextmanager
def asleep(**environ: str) -> Generator[int]:
    """A process that has *environ* in its environment; its pid."""
    with subprocess.Popen(["sleep", "600"], env={**os.environ, **environ}) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.fixture
def hidden_group() -> Iterator[Path]:
    """A group named like a worker's where no worker that another test starts looks for abandoned ones."""
    nest = usable_group() / f"test-{os.getpid()}"
    group = nest / f"agents-test-{os.getpid()}"
    group.mkdir(parents=True)
    yield group
    remove(nest)


@needs_groups
def test_a_group_is_abandoned_only_when_nothing_of_its_worker_is_left(hidden_group: Path) -> None:
    """Each of these alone keeps it: its supervisor, what carries its marker, what is in it, and doubt whose it is."""
    group = hidden_group
    assert not is_abandoned(group), "nobody has signed it"
    sign(group)
    assert not is_abandoned(group), "its supervisor lives"
    boot, _, start, namespace = os.getxattr(group, SIGNATURE).decode().split(" ", 3)
    of_a_dead_one = f"{boot} 1 {int(start) + 1} {namespace}".encode()
    os.setxattr(group, SIGNATURE, of_a_dead_one)
    with asleep(**{MARKER: f"test-{os.getpid()}"}):
        assert not is_abandoned(group), "something carries its marker"
    with asleep() as pid:
        (group / "cgroup.procs").write_text(str(pid))
        assert not is_abandoned(group), "something is in it"
    if os.getuid() == 0:  # nobody else can give a group away
        os.chown(group, 65534, 65534)
        assert not is_abandoned(group), "it is another user's"
        os.chown(group, 0, 0)
    os.setxattr(group, SIGNATURE, b"scribble")
    assert not is_abandoned(group), "who has signed it cannot be read"
    os.setxattr(group, SIGNATURE, of_a_dead_one)

    assert is_abandoned(group)


def test_what_cannot_be_signed_is_no_error(tmp_path: Path) -> None:
    """Its own store's workers and `agents cleanup` remove it all the same."""
    sign(tmp_path / "nowhere")


def test_who_may_make_no_groups_is_told_why() -> None:
    """As another user: `auto` goes on with the subreaper, `cgroup` refuses to start and says what to do."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    code = (
        "import os\n"
        "from agentsd.errors import ContainmentError\n"
        "from agentsd.supervisor.containment import choose\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "said = []\n"
        "print(choose('auto', '01JTEST', said.append), said[0].facts['because'])\n"
        "try:\n  choose('cgroup', '01JTEST', said.append)\n"
        "except ContainmentError as error:\n  print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout

    assert "None " in told
    assert "not writable for uid 65534: the group is not delegated" in told
    assert "async.containment is cgroup, but" in told
    assert "systemd-run --user --scope -p Delegate=yes" in told


@pytest.mark.parametrize("net", NETS)
def test_diagnostics_says_what_holds_jobs_together(start: Start, operator: Operator, net: str) -> None:
    """Which containment a worker uses, and why not the other."""
    start(containment=net)
    found = [
        each["text"] for each in operator.ask("diagnostics").data["checks"] if each["check"] == "containment"
    ]

    assert len(found) == 1
    assert {"cgroup": "control group /", "subreaper": "no control group, because async.containment was"}[
        net
    ] in found[0]


# -- what KILL does not end -------------------------------------------------------------------------

FREEZABLE = """
import subprocess, time
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
job.progress({"child": child.pid})
job.token.wait(600)
job.token.raise_if_set()
"""


@pytest.mark.parametrize("net", NETS)
def test_what_cannot_be_killed_holds_one_slot_and_is_told(
    client: Client, begin: Begin, start: Start, operator: Operator, net: str
) -> None:
    """The job is not called ended; others run; when the process ends at last, the row ends, too."""
    start(containment=net, max_workers=2, cancel_grace="0.2 s")
    job = begin("snippet", {"code": FREEZABLE}, progress=True)
    child = json.loads(job.progress or "")["child"]
    with group_of_kind("freezer") as frozen:
        freeze(frozen, child)
        client.cancel(job.job_id, reason="enough")
        eventually(
            lambda: [e for e in client.events(job.job_id) if e.detail.get("event") == "unkillable"],
            20,
            "told",
        )
        event = next(e for e in client.events(job.job_id) if e.detail.get("event") == "unkillable")
        after = client.wait(client.enqueue("echo", payload=1).job_id, timeout=20)
        explained = operator.run("job", "explain", job.job_id).stdout
        diagnosed = operator.ask("diagnostics")
        still = client.get(job.job_id)
        thaw(frozen)
        ended = client.wait(job.job_id, timeout=20)

    told = event.detail["processes"][0]
    assert (child, "D", "sleep") == (told["pid"], told["state"], told["name"])
    assert after.status is AsyncJobStatus.SUCCEEDED
    assert still.status is AsyncJobStatus.RUNNING
    assert f"{child} (sleep, state D, in uninterruptible sleep)" in explained
    assert diagnosed.exit_code == 1
    assert any(
        str(child) in each["text"]
        for each in diagnosed.envelope["data"]["checks"]
        if each["check"] == "unkillable"
    )
    assert (ended.status, ended.reason) == (AsyncJobStatus.CANCELLED, Reason.CANCELLED)
    assert child == client.events(job.job_id)[-1].detail["unkillable"][0]["pid"]


@pytest.mark.parametrize("net", NETS)
def test_a_worker_stops_although_something_cannot_be_killed(
    client: Client, begin: Begin, start: Start, net: str
) -> None:
    """It exits 1, the row stays running; the next start ends it when the process has ended."""
    worker = start(containment=net, cancel_grace="0.2 s")
    job = begin("snippet", {"code": FREEZABLE}, progress=True)
    with group_of_kind("freezer") as frozen:
        freeze(frozen, json.loads(job.progress or "")["child"])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            worker.process.send_signal(number)
        code = worker.process.wait(30)
        still = client.get(job.job_id)
        start(containment=net)
        other = client.wait(client.enqueue("echo", payload=1).job_id, timeout=20)
        waiting = client.get(job.job_id)
        thaw(frozen)
        ended = client.wait(job.job_id, timeout=20)

    assert code == 1
    assert (still.status, waiting.status) == (AsyncJobStatus.RUNNING, AsyncJobStatus.RUNNING)
    assert other.status is AsyncJobStatus.SUCCEEDED
    assert ended.status is AsyncJobStatus.FAILED


@pytest.mark.parametrize("net", NETS)
def test_a_killed_spawner_is_replaced_although_something_cannot_be_killed(
    client: Client, begin: Begin, start: Start, net: str
) -> None:
    """The jobs that may have left it wait; others run."""
    worker = start(containment=net)
    job = begin("snippet", {"code": FREEZABLE}, progress=True)
    with group_of_kind("freezer") as frozen:
        freeze(frozen, json.loads(job.progress or "")["child"])
        os.kill(worker.spawner_pid, signal.SIGKILL)
        other = client.wait(client.enqueue("echo", payload=1).job_id, timeout=20)
        still = client.get(job.job_id)
        thaw(frozen)
        ended = client.wait(job.job_id, timeout=20)

    assert other.status is AsyncJobStatus.SUCCEEDED
    assert still.status is AsyncJobStatus.RUNNING
    assert (ended.status, ended.reason) == (AsyncJobStatus.FAILED, Reason.WORKER_LOST)


FREEZE = """
inside = open("/proc/self/cgroup").read().splitlines()[-1].removeprefix("0::")
open(given["mount"] + inside + "/cgroup.freeze", "w").write("1")
while True:
    pass
"""
GROUPS = """
import os
inside = open("/proc/self/cgroup").read().splitlines()[-1].removeprefix("0::")
os.mkdir(given["mount"] + inside + "/mine")
answer = inside
"""


@needs_groups
def test_what_a_job_does_to_its_group_is_not_left_to_the_next(client: Client, start: Start) -> None:
    """One that freezes itself is ended all the same, and the next in its slot runs; groups below go, too."""
    worker = start(containment="cgroup", max_workers=1, cancel_grace="0.2 s")
    mount = str(usable_group()).removesuffix(str(_inside()))
    frozen = client.enqueue("snippet", payload={"code": FREEZE, "mount": mount}, timeout=0.5)
    made = client.enqueue("snippet", payload={"code": GROUPS, "mount": mount})
    last = client.enqueue("echo", payload=1)
    ends = [client.wait(job.job_id, timeout=20) for job in (frozen, made, last)]
    group = find_worker_groups(worker.row.worker_id)[0]

    assert [Reason.TIMEOUT, Reason.COMPLETED, Reason.COMPLETED] == [end.reason for end in ends]
    assert [*group.glob("slot-*/*/cgroup.procs")] == []


def _inside() -> str:
    """This process's own group, as seen from the mount; empty for the topmost."""
    return Path("/proc/self/cgroup").read_text().splitlines()[-1].removeprefix("0::").removesuffix("/")
