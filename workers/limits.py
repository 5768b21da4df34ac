"""What a job process, and with it every process that it starts, may use."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping

CPU_GRACE = 5
"""Seconds of CPU between SIGXCPU, which a program may handle, and SIGKILL."""
_NUMBERS = {
    "memory": resource.RLIMIT_AS,
    "cpu": resource.RLIMIT_CPU,
    "open_files": resource.RLIMIT_NOFILE,
}


def apply(limits: Mapping[str, int]) -> None:
    """Limit this process; ``memory`` is bytes, ``cpu`` seconds. What the system already limits further, stays so."""
    for name, value in limits.items():
        if name == "nice":
            os.nice(value)
        else:
            _limit(_NUMBERS[name], value, value + CPU_GRACE if name == "cpu" else value)


def _limit(number: int, soft: int, hard: int) -> None:
    allowed = resource.getrlimit(number)[1]
    if allowed != resource.RLIM_INFINITY:
        soft, hard = min(soft, allowed), min(hard, allowed)
    resource.setrlimit(number, (soft, hard))
