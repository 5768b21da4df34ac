"""Print ``docs/reference/json.md`` from the JSON Schemas of ``docs/json_schemas.py``.

A test fails when the page is older than the code; then:

    python docs/generate_json_page.py > docs/reference/json.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from json_schemas import DATA, DEFINITIONS, TIME

INTRODUCTION = """\
# JSON output

<!-- Written by docs/generate_json_page.py -->

Every command takes `--format json` and `--format jsonl`; `AGENTS_FORMAT` sets it for all.

`json` is one envelope on stdout, for errors, too:

```json
{
  "command": "job retry",
  "status": "ok",
  "exit_code": 0,
  "data": {"job_id": "01JABCDEFGHJKMNPQRSTVWXYZ0", "status": "queued"},
  "timing": {"started": "2026-01-31T09:00:00.123456Z", "duration_ms": 12.3},
  "messages": [{"level": "warning", "text": "No worker is running, so the job waits."}]
}
```

`status` is `error` whenever `exit_code` is not 0; `data` is then null, or what there is to show all the same (a job that
failed, the findings of diagnostics). `jsonl` is `data` alone on one line; of a list, each of its items on a line of
its own. `agents job list --format jsonl` writes while it reads, so a list of any length needs no memory. An error is a
line with the envelope.

A list of jobs has their columns without `payload_json` and `result`, which may be of any size: `--full` adds them, and
`agents job show` has everything about one job.

[`agents.schema.json`](agents.schema.json) is the JSON Schema (2020-12) of all this: of the envelope, and under `$defs` of
the `data` of each command. New keys may be added; those that are there keep their names and meanings.

## What `data` is
"""


def words_of(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    if "anyOf" in schema:
        return " or ".join(words_of(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {words_of(schema['items'])}"
    if "properties" in schema:
        return (
            "{"
            + ", ".join(f"`{name}`" for name in schema["properties"])
            + ("}" if "additionalProperties" not in schema else ", …}")
        )
    if "enum" in schema:
        return ", ".join("null" if word is None else f"`{word}`" for word in schema["enum"])
    kind = schema.get("type", "any value")
    kinds = kind if isinstance(kind, list) else [kind]
    return " or ".join(
        "time" if schema.get("pattern") == TIME["pattern"] and each == "string" else each for each in kinds
    )


def lines() -> Iterator[str]:
    """The page."""
    yield INTRODUCTION
    yield "| command | `data` |\n|---|---|"
    for command, schema in DATA.items():
        yield f"| `agents {command}` | {words_of(schema)} |"
    for name, schema in DEFINITIONS.items():
        yield f"\n### {name}\n\n| key | |\n|---|---|"
        for key, each in schema["properties"].items():
            yield f"| `{key}` | {words_of(each)} |"


if __name__ == "__main__":
    print("\n".join(lines()))
