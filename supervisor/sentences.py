"""Why a job ended, in a sentence or two for a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agentsd.model import Reason
from agentsd.store.units import format_bytes
from agentsd.supervisor.running import RunningJob

_SIGNALS = {
    "SIGSEGV": "a crash in native code, which touched memory that it may not",
    "SIGBUS": "a crash in native code, or a file that got shorter while it was mapped",
    "SIGFPE": "a crash in native code, at a calculation",
    "SIGILL": "a crash in native code that this processor does not know",
    "SIGABRT": "it gave itself up, as after a failed assertion in native code",
    "SIGSYS": "a system call that is forbidden here",
    "SIGKILL": "agentsd did not send it: somebody on this machine did, or the kernel",
    "SIGXCPU": "its CPU time was used up",
}
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<name>.+)$')
_CURRENT = "Current thread"


def about_cause(running: RunningJob, facts: Mapping[str, Any], reason: Reason) -> str:
    """For a job that agentsd has ended."""
    match reason:
        case Reason.CANCELLED:
            return _cancelled(running)
        case Reason.TIMEOUT:
            return f"It ran longer than its timeout of {running.timeout:g} s{_how(facts)}"
        case Reason.INTERRUPTED:
            return f"Its worker was shut down before the job was done{_how(facts)}"
        case Reason.OUTPUT_LIMIT:
            return "It wrote more output than async.log_limit allows."
        case _:
            return _lost(facts)


def _lost(facts: Mapping[str, Any]) -> str:
    if "spawner_pid" not in facts:
        return "Its worker could not go on and ended it; the worker's log says why."
    return f"The spawner of its worker (pid {facts['spawner_pid']}, {facts['spawner_end']}) died, and the job with it."


def _cancelled(running: RunningJob) -> str:
    request = running.cancel
    who = f" by {request.by}" if request else " by a SIGTERM from outside"
    why = f": {request.why}" if request and request.why else ""
    return f"Cancelled{who}{why}."


def _how(facts: Mapping[str, Any]) -> str:
    """Whether it ended when it was asked to, and if not, where it hung."""
    if facts.get("signal") == "SIGALRM":
        return ", and the kernel ended it, as its spawner did not."
    if "KILL" not in [stage["stage"] for stage in facts.get("stages", ())]:
        return "; it ended when it was asked to."
    where = place_in(facts.get("stack") or "")
    return "; it did not end when it was asked to, and was killed" + (f" at {where}." if where else ".")


def about_signal(running: RunningJob, facts: Mapping[str, Any]) -> str:
    """For a job process that a signal ended which agentsd did not send."""
    name = facts["signal"]
    meaning = f" ({_SIGNALS[name]})" if name in _SIGNALS else ""
    if facts.get("oom_hint"):
        meaning = f" ({_SIGNALS[name]}; memory ran out {facts['oom_hint']} just then, but nothing shows that this job was hit)"
    if name == "SIGXCPU" and "cpu" in running.limits:
        meaning = f": it used more than its {running.limits['cpu']} s of CPU (async.cpu_limit)"
    where = place_in(facts.get("stack") or "")
    return f"The job process was ended by {name}{meaning}" + (f", at {where}." if where else ".")


def about_memory(facts: Mapping[str, Any]) -> str:
    """For a job that the kernel has killed for want of memory, certainly or likely."""
    peak = (
        f" Its process had {format_bytes(facts['max_rss_bytes'])} at most."
        if facts.get("max_rss_bytes")
        else ""
    )
    if facts.get("oom_kills"):
        return f"The kernel killed it because the memory of its group was used up.{peak}"
    return f"The kernel likely killed it: memory ran out {facts['oom_suspicion']} just then.{peak}"


def about_exit(running: RunningJob, facts: Mapping[str, Any]) -> str:
    """For a job process that ended by itself without a result."""
    problem = f" ({running.frame_problem})" if running.frame_problem else ""
    return f"The job process ended with exit code {facts.get('exit_code')} and without a result{problem}."


def place_in(stack: str) -> str:
    """Where code that is not agentsd's was, by a stack that a process has written; empty if it was nowhere.

    Of several threads the one that was running counts, else the main thread, which stands last.
    """
    blocks = [block for block in stack.split("\n\n") if "most recent call first" in block]
    current = [block for block in blocks if _CURRENT in block]
    for line in (current or blocks[-1:])[0].splitlines() if blocks else ():
        frame = _FRAME.match(line)
        if frame and "/agentsd/" not in frame["file"]:
            return f"{frame['file']}, line {frame['line']}, in {frame['name']}"
    return ""
