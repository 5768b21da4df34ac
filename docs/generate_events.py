"""Print ``docs/reference/events.md`` from the table of events.

A test fails when the page is older than the code; then:

    python docs/generate_events.py > docs/reference/events.md
"""

from __future__ import annotations

from collections.abc import Iterator

from agentsd.cli.worker.events import EVENTS

INTRODUCTION = """\
# Events of a worker

<!-- Written by docs/generate_events.py -->

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

What happened to one job is kept in the store, whatever became of the worker's output: `agents job show`.

| event | level | what it means | facts |
|---|---|---|---|"""


def lines() -> Iterator[str]:
    """The page."""
    yield INTRODUCTION
    for name, event in EVENTS.items():
        facts = ", ".join(f"`{fact}`" for fact in event.facts)
        yield f"| `{name}` | {event.level} | {event.meaning} | {facts} |"


if __name__ == "__main__":
    print("\n".join(lines()))
