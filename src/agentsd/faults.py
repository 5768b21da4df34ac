"""Fault points: places where a test lets this very process be killed, stopped, or fail, in the middle of its work.

Inert unless ``AGENTS_FAULTS`` is set: then :func:`reach` does nothing. The variable holds rules, parted by ``;``:
``POINT=FAULT``, then ``@N`` for the N-th arrival of a process only, then ``:FILE`` for one arrival in the whole run: that
of the process which takes FILE away (as ``FILE.taken``, with its pid inside). Until FILE is there, nothing happens.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable

VARIABLE = "AGENTS_FAULTS"
DELAY = 1.0
"""Seconds that the fault ``delay`` takes."""

_STEPS = {
    "open": "begin connected",
    "migrate": "begin commit committed",
    "enqueue": "insert inserted commit committed",
    "claim": "begin commit committed",
    "fork": "before forked told",
    "child": "begin session output ready",
    "start": "heard store stored go gone",
    "run": "begin end",
    "result": "sent heard",
    "sweep": "begin between end told",
    "finish": "heard begin commit committed",
    "cancel": "request commit committed heard",
    "ladder": "term between kill",
    "orphans": "begin between",
    "mourn": "begin swept restarted",
    "beat": "begin write",
    "reap": "judged swept commit committed",
    "takeover": "begin swept",
    "shutdown": "step",
    "stop": "begin swept unregister unregistered",
    "prune": "begin logs commit committed",
    "sandbox": "recorded made complete",
    "capture": "begin committed published",
    "apply": "prepared begun between written finished",
    "revert": "begun written settled",
}
POINTS = frozenset(f"{operation}.{step}" for operation, steps in _STEPS.items() for step in steps.split())
"""Every point. A test compares them with the calls in the source."""


def _nothing(_point: str) -> None:
    """No fault is wanted."""


def _database_error(code: str, words: str) -> Exception:
    import sqlite3  # noqa: PLC0415 - never in a process that forks jobs, unless a test asks for it

    error = sqlite3.OperationalError(words)
    error.sqlite_errorname, error.sqlite_errorcode = code, getattr(sqlite3, code)
    return error


def _refuse(number: int) -> None:
    raise OSError(number, os.strerror(number))


def _fail(error: Exception) -> None:
    raise error


FAULTS: dict[str, Callable[[], None]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "delay": lambda: time.sleep(DELAY),
    "error": lambda: _fail(RuntimeError("this fault was asked for")),
    "busy": lambda: _fail(_database_error("SQLITE_BUSY", "database is locked")),
    "full": lambda: _fail(_database_error("SQLITE_FULL", "database or disk is full")),
    "enospc": lambda: _refuse(errno.ENOSPC),
    "eagain": lambda: _refuse(errno.EAGAIN),
    "emfile": lambda: _refuse(errno.EMFILE),
}


class Rule:
    """One fault at one point. Raises ValueError for what is no rule."""

    def __init__(self, text: str) -> None:
        self.point, _, rest = text.strip().partition("=")
        rest, _, self._token = rest.partition(":")
        fault, at, number = rest.partition("@")
        if (
            self.point not in POINTS
            or fault not in FAULTS
            or (at and not (number.isdecimal() and int(number)))
        ):
            raise ValueError(f"{text!r}; expected POINT=FAULT[@N][:FILE], FAULT one of {', '.join(FAULTS)}")
        self._act, self._at, self._arrivals = FAULTS[fault], int(number or 0), 0

    def arrive(self) -> None:
        """The process is at the point: let the fault happen, if it is time and nobody was faster."""
        if self._token and not os.path.exists(self._token):  # noqa: PTH110 - pathlib would be an import
            return
        self._arrivals += 1
        if self._at in (0, self._arrivals) and (not self._token or self._take()):
            self._act()

    def _take(self) -> bool:
        taken = f"{self._token}.taken"
        try:
            os.rename(self._token, taken)  # noqa: PTH104
        except FileNotFoundError:
            return False
        with open(taken, "w") as file:  # noqa: PTH123
            file.write(f"{os.getpid()}\n")
        return True


def _chosen(wanted: str) -> Callable[[str], None]:
    """What :func:`reach` is in this process. A value that is wrong ends it: a test that tests nothing is worse."""
    if not wanted:
        return _nothing
    try:
        rules = [Rule(text) for text in wanted.split(";")]
    except ValueError as problem:
        os.write(2, f"{VARIABLE}: {problem}\n".encode())
        raise SystemExit(2) from None

    def look_up(point: str) -> None:
        for rule in rules:
            if rule.point == point:
                rule.arrive()

    return look_up


reach = _chosen(os.environ.get(VARIABLE, ""))
"""Say that this process is at a point."""
