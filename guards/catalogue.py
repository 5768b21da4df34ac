"""Every guard that can be taken away. One that is moved or reworded fails the command: name its new place in its room's file."""

from __future__ import annotations

from guards.of_judging import JUDGING
from guards.of_store import STORE
from guards.of_supervisor import SUPERVISOR
from guards.of_workers import WORKERS

GUARDS = (*STORE, *SUPERVISOR, *JUDGING, *WORKERS)
