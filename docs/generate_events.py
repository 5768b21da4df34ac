"""Print ``docs/reference/events.md`` from the table of events.

A test fails when the page is older than the code; then:

    python docs/generate_events.py > docs/reference/events.md
"""

from __future__ import annotations

from collections.abc import Iterator

from agentsd.cli.worker.events import EVENTS

INTRODUCTION = """\
# Events

<!-- Written by docs/generate_events.py -->

## Of a worker

`agents worker start` tells on stderr what happens: in words on a terminal, as JSON lines elsewhere (`--log-format`
chooses). With `--format jsonl` the lines go to stdout. A line is

```json
{"at": "2026-01-31T09:00:00.123456Z", "level": "info", "event": "job_started",
 "message": "job 01JABCDEFGHJKMNPQRSTVWXYZ0 resize started (pid 4711)",
 "job_id": "01JABCDEFGHJKMNPQRSTVWXYZ0", "plan_id": "01JABCDEFGHJKMNPQRSTVWXYZ0", "phase": "resize", "pid": 4711}
```

`at`, `level`, `event` and `message` are always there; the facts depend on the event. Programs should use `event` and the
facts: `message` may be worded anew. New events and facts may come; those that are there keep their meaning. Lines that
nobody reads are dropped: a full pipe or a stopped terminal does not stop the worker.

| event | level | what it means | facts |
|---|---|---|---|"""


HISTORY = """
## Of a job

What happened to one job is kept in the store, whatever became of the worker's output, and written in the same transaction as the
change itself. `agents job show --format json` has it as `events`, `Client.events` as `JobEvent`: `at` (UTC), `from` and `to` (states; the same
one twice when it did not change), `reason`, `by` (`user@host`), `pid` and `worker_id` of who wrote it, and a `detail` with some of these:

| in `detail` | from → to | what it says |
|---|---|---|"""
DETAILS = {
    "retry_of": ("new → queued", "the job that this one tries again"),
    "attempt": ("new → queued", "the number of this attempt"),
    "after": (
        "new → queued, queued → cancelled",
        "the job that has to succeed first; or whose failure ended this one",
    ),
    "held": ("new → queued, queued → queued", "whether it is held now"),
    "priority": ("queued → queued", "its new priority"),
    "may_start_after": ("queued → queued", "the job that it waited for and that has succeeded"),
    "requested": ("running → running", "`cancel`: somebody asked for its end"),
    "why": ("with a cancel", "what that person said"),
    "signal": ("with a cancel; → failed", "the signal to begin with; or the one that ended the process"),
    "event": ("running → running", "`unkillable`: some processes do not die of KILL"),
    "processes": ("running → running", "those processes: pid, state, title"),
    "ladder": ("→ failed, → cancelled", "each stage of its end (`TERM`, `KILL`) with its time"),
    "stack": ("→ failed, → cancelled", "the Python stack when it hung or crashed"),
    "exit_code": ("→ an end", "of the job process"),
    "error": ("→ failed, → cancelled", "the sentence that `job explain` says"),
    "last_lines": ("→ failed, → cancelled", "the last lines of its output"),
    "cancelled_by": ("→ cancelled", "who"),
    "oom_kills": ("→ failed", "how many of its processes the kernel has killed for want of memory"),
    "oom_suspicion": ("→ failed", "why it is likely that the kernel killed it"),
    "oom_hint": ("→ failed", "memory ran out elsewhere at that time"),
    "unkillable": ("→ an end", "the processes that did not die of KILL, until they did"),
    "worker": ("→ failed, by another worker", "the worker that was lost"),
    "verified": (
        "→ failed, by another worker",
        "`none left`, or `unverified` where its processes cannot be seen from here",
    ),
    "forced_by": ("→ cancelled", "who ended it with `--force`"),
    "dropped": ("an end → the same", "`late result`: its worker had lost it, so what it said does not count"),
    "status": ("an end → the same", "the end that was dropped"),
    "reason": ("an end → the same", "its reason"),
}
"""What stands in the details of a job's history, when, and what it means."""


def lines() -> Iterator[str]:
    """The page."""
    yield INTRODUCTION
    for name, event in EVENTS.items():
        facts = ", ".join(f"`{fact}`" for fact in event.facts)
        yield f"| `{name}` | {event.level} | {event.meaning} | {facts} |"
    yield HISTORY
    for name, (moves, meaning) in DETAILS.items():
        yield f"| `{name}` | {moves} | {meaning} |"


if __name__ == "__main__":
    print("\n".join(lines()))
