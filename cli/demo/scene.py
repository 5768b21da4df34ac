"""Where the demo happens: a directory, a worker, and the certainty that both are gone afterwards.

Signals are not raised where they arrive, which might be in the middle of making or removing something: the
handler notes them, and :meth:`Scene.pause` raises. Against ``kill -9`` of the demo there is a guardian, a
shell that waits for the demo's end of a pipe to close and removes the directory, and the worker has the
kernel's promise to die with its parent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from agentsd.plans.sandbox import remove_tree
from agentsd.store.paths import StateDir, short_temporary_dir
from agentsd.store.settings import Settings, load_settings
from agentsd.workers import kernel
from agentsd.workers.process import descendants, marked, start_ticks

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_EVERY = 0.05
"""Seconds between two looks at the jobs."""
PATIENCE = 10.0
"""Seconds that anything in the demo may take before it is a failure."""
OPTIONS = {
    "AGENTS_ASYNC_MAX_WORKERS": "3",
    "AGENTS_ASYNC_CANCEL_GRACE": "2 s",
    "AGENTS_ASYNC_SHUTDOWN_GRACE": "0",
}
_GUARDIAN = """cat >/dev/null
n=0
while [ -e "$1" ] && [ $n -lt 100 ]; do chmod -R u+rwX -- "$1"; rm -rf -- "$1"; n=$((n+1)); sleep 0.1; done 2>/dev/null"""


class Interrupted(KeyboardInterrupt):
    """Somebody does not want to see more."""


class Scene:
    """The directory and the processes of one demo."""

    def __init__(self, root: Path, guardian: subprocess.Popen[bytes]) -> None:
        self.root, self._guardian = root, guardian
        self.project = root / "project"
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("AGENTS_")}
        self.environ |= {
            "AGENTS_STATE_DIR": str(root / "state"),
            "AGENTS_CONFIG": str(root / "config.toml"),
            "XDG_RUNTIME_DIR": str(root),
            **OPTIONS,
        }
        self._worker: subprocess.Popen[bytes] | None = None
        self._signalled = False
        self.worker_ids: set[str] = set()

    @property
    def state(self) -> StateDir:
        """The demo's own state directory."""
        return StateDir(self.root / "state")

    @property
    def settings(self) -> Settings:
        """The settings that the worker has, too."""
        return load_settings(self.environ)

    @property
    def worker_log(self) -> Path:
        """What the worker said."""
        return self.root / "worker.log"

    @property
    def was_signalled(self) -> bool:
        """Whether a signal came."""
        return self._signalled

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """Remember that a signal came."""
        self._signalled = True

    def pause(self, seconds: float = LOOK_EVERY) -> None:
        """Wait; the one place where a signal is obeyed."""
        if not self._signalled:
            time.sleep(seconds)
        if self._signalled:
            raise Interrupted

    def until(self, look: Callable[[], bool], what: str) -> None:
        """Wait until *look* says so. Raises TimeoutError naming *what* after :data:`PATIENCE`."""
        deadline = time.monotonic() + PATIENCE
        while not look():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {PATIENCE:g} s: {what}. The worker said: {self._said()}")
            self.pause()

    def _said(self) -> str:
        return self.worker_log.read_text(errors="replace") if self.worker_log.exists() else "nothing"

    def start_worker(self) -> None:
        """Start a real worker as a child; the kernel kills it if this process dies."""
        me = os.getpid()

        def tie_to_parent() -> None:
            kernel.die_with_parent()
            if os.getppid() != me:  # this process died before the kernel knew
                os._exit(1)

        with self.worker_log.open("wb") as log:
            self._worker = subprocess.Popen(
                [sys.executable, "-P", "-m", "agentsd", "worker", "start"],
                env=self.environ,
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which ends the worker in good order
                preexec_fn=tie_to_parent,  # noqa: PLW1509 - this process has one thread
            )

    def strike(self) -> list[str]:
        """End the worker with everything below it and remove the directory; returns what is left."""
        if self._worker is not None:
            _end(self._worker)
        left = [f"process {pid}" for pid in self._survivors()]
        self._guardian.kill()
        self._guardian.communicate()
        with suppress(OSError):
            remove_tree(self.root)
        if self.root.exists():
            left.append(str(self.root))
        return left

    def _survivors(self) -> list[int]:
        deadline = time.monotonic() + PATIENCE
        while True:
            left = [pid for worker_id in self.worker_ids for pid in marked(worker_id)]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(LOOK_EVERY)


def _end(worker: subprocess.Popen[bytes]) -> None:
    """TERM twice (stop; do not wait for jobs), then KILL, after which the spawner ends the trees."""
    for number, seconds in ((signal.SIGTERM, 0.1), (signal.SIGTERM, 5.0), (signal.SIGKILL, PATIENCE)):
        with suppress(subprocess.TimeoutExpired):
            worker.send_signal(number)
            worker.wait(seconds)
            return


def _start_guardian(root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", _GUARDIAN, "agents-demo", str(root)],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextmanager
def scene() -> Generator[tuple[Scene, list[str]]]:
    """A scene, and a list that holds what is left of it afterwards (nothing, if all is well).

    From the first thing made to the last one removed, no signal interrupts anything.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    left: list[str] = []
    try:
        root = Path(tempfile.mkdtemp(prefix="agents-", dir=short_temporary_dir()))
        place = Scene(root, _start_guardian(root))
        try:
            for number in SIGNALS:
                signal.signal(number, place.note)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            yield place, left
        except BaseException as error:
            # A tool of ours (git) that got the same signal fails with an error of its own.
            if place.was_signalled and not isinstance(error, Interrupted):
                raise Interrupted from error
            raise
        finally:
            left.extend(place.strike())
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def tree_of(leader: int) -> dict[int, tuple[int, str]]:
    """Every process below *leader* and itself: pid -> (start time, command line)."""
    found: dict[int, tuple[int, str]] = {}
    for pid in (leader, *descendants(leader)):
        start = start_ticks(pid)
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if start is not None:
                found[pid] = (start, words.strip())
    return found


def alive(tree: dict[int, tuple[int, str]]) -> list[int]:
    """Which processes of a tree that was seen are still there."""
    return [pid for pid, (start, _) in tree.items() if start_ticks(pid) == start]
