"""The JSON Schemas of what commands print with ``--format json``: one for the envelope, one for each command's data.

Columns come from the dataclasses, the rest is written here, once. ``docs/generate_schemas.py`` prints them; tests
hold what the commands really print against them.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from agentsd.cli.checks.finding import Finding, Seen
from agentsd.cli.shapes import LARGE
from agentsd.errors import ExitCode
from agentsd.model import AsyncJob, PlanRow, Worker
from agentsd.store.keys import KEYS

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {}
TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
MAYBE_TIME: Schema = {**TIME, "type": ["string", "null"]}
ID: Schema = {"type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{26}$"}
TYPES: dict[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
NOT_SHOWN = {PlanRow: frozenset({"frozen_json"})}


def of(properties: Mapping[str, Schema], *, more: bool = False, optional: Sequence[str] = ()) -> Schema:
    """An object that has all *properties* but the *optional* ones for sure; *more*: and others, which may change."""
    schema: Schema = {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
    }
    return {**schema, "additionalProperties": True} if more else schema


def each(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def ref(name: str) -> Schema:
    """A schema that has a name."""
    return {"$ref": f"#/$defs/{name}"}


def one_of(*schemas: Schema) -> Schema:
    """Any of these."""
    return {"anyOf": list(schemas)}


NOTHING: Schema = {"type": "null"}


def columns(row: type) -> dict[str, Schema]:
    """What a dataclass or a named tuple has, by its annotations."""
    hints = typing.get_type_hints(row)
    hidden = NOT_SHOWN.get(row, frozenset())
    return {name: column(name, kind) for name, kind in hints.items() if name not in hidden}


def column(name: str, kind: Any) -> Schema:
    """The schema of one annotation."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if name.endswith("_at") or name == "last_heartbeat":
        return MAYBE_TIME if type(None) in kinds else TIME
    words = [member.value for each_kind in kinds if issubclass(each_kind, StrEnum) for member in each_kind]
    if words:
        return {"enum": [*words, None] if type(None) in kinds else words}
    names = [TYPES[each_kind] for each_kind in kinds]
    return {"type": names if len(names) > 1 else names[0]}


JOB_COLUMNS = {**columns(AsyncJob), "job_id": ID, "progress": ANY, "result": ANY}
JOB_ITEM = {name: schema for name, schema in JOB_COLUMNS.items() if name not in LARGE}
JOB = {
    **JOB_COLUMNS,
    "payload": ANY,
    "usage": of(
        {name: JOB_COLUMNS[name] for name in ("user_s", "system_s", "max_rss_bytes")},
    ),
    "events": each(ref("event")),
}
PLAN_ITEM = columns(PlanRow)
SOURCE: Schema = {"enum": ["same", "changed", "gone"]}
COUNTS = of(dict.fromkeys(JOB_COLUMNS["status"]["enum"], WHOLE))
QUEUED = of({"job_id": ID, "status": JOB_COLUMNS["status"]})
LEFTOVER = of({"kind": TEXT, "path": TEXT, "detail": TEXT, "removable": FLAG}, more=True)
KEY = of(
    {
        "key": {"enum": list(KEYS)},
        "value": ANY,
        "source": TEXT,
        "default": ANY,
        "variable": TEXT,
        "help": TEXT,
    }
)
ASKED = of({"worker_id": ID, "pid": WHOLE, "now": FLAG}, optional=["now"])
FILES = of({"job_id": ID, "files": each(ref("log"))})
STEERED = one_of(of({"jobs": each(ref("full_job_item"))}), ref("full_job_item"))
CANCELLED = one_of(of({"jobs": each(ref("cancelled_job"))}), ref("cancelled_job"), NOTHING)

DEFINITIONS: dict[str, Schema] = {
    "job_item": of(JOB_ITEM),
    "full_job_item": of(JOB_COLUMNS),
    "job": of(JOB),
    "cancelled_job": of({**JOB, "acknowledged": FLAG}),
    "target": of({**JOB_ITEM, "processes": each(WHOLE)}),
    "event": of(
        {
            "at": TIME,
            "from": MAYBE_TEXT,
            "to": MAYBE_TEXT,
            "reason": MAYBE_TEXT,
            "by": TEXT,
            "pid": WHOLE,
            "worker_id": MAYBE_TEXT,
            "detail": {"type": "object"},
        }
    ),
    "log": of({"file": TEXT, "text": TEXT, "job_id": ID}, optional=["job_id"]),
    "plan_item": of(PLAN_ITEM),
    "plan": of(
        {
            **PLAN_ITEM,
            "source": SOURCE,
            "frozen": {"type": "object"},
            "jobs": each(ref("job_item")),
            "result": {"type": ["object", "null"]},
        }
    ),
    "worker": of({**columns(Worker), "health": TEXT}),
    "process": of(columns(Seen)),
    "check": of({"check": TEXT, "level": {"enum": ["ok", "warning", "error"]}, "text": TEXT}),
}
assert Finding._fields == ("what", "level", "text")  # noqa: S101 - to_json words them so

DATA: dict[str, Schema] = {
    "plan create": of(
        {"plan_id": MAYBE_TEXT, "name": TEXT, "steps": WHOLE, "sandbox": TEXT},
        optional=["name", "steps", "sandbox"],
    ),
    "plan list": of({"plans": each(ref("plan_item"))}),
    "plan show": ref("plan"),
    "plan status": of({**PLAN_ITEM, "source": SOURCE, "job": one_of(ref("job"), NOTHING)}),
    "plan execute": QUEUED,
    "plan diff": of({"plan_id": ID, "job_id": MAYBE_TEXT, "diff": TEXT}, more=True),
    "plan apply": one_of(QUEUED, of({"plan_id": ID, "files": each({"type": "object"})}, more=True)),
    "plan revert": of({"plan_id": ID, "files": each(of({"path": TEXT}, more=True))}, more=True),
    "plan logs": FILES,
    "plan cancel": CANCELLED,
    "plan retry": QUEUED,
    "plan discard": of({"plan_id": ID}, more=True),
    "plan schema": one_of(of({"path": TEXT}), of({"$schema": TEXT}, more=True)),
    "job enqueue": one_of(
        of({"job_id": ID, "status": JOB_COLUMNS["status"], "created": FLAG}),
        of({"jobs": each(of({"job_id": ID, "status": JOB_COLUMNS["status"], "created": FLAG}))}),
    ),
    "job list": of({"jobs": each(one_of(ref("job_item"), ref("full_job_item"))), "summary": COUNTS}),
    "job show": ref("job"),
    "job explain": of(
        {
            "job_id": ID,
            "status": JOB_COLUMNS["status"],
            "reason": JOB_COLUMNS["reason"],
            "explanation": each(TEXT),
        },
        more=True,
    ),
    "job logs": one_of(FILES, of({"jobs": each(FILES)})),
    "job wait": one_of(ref("job"), of({"jobs": each(ref("job"))})),
    "job cancel": one_of(CANCELLED, of({"jobs": each(ref("target"))})),
    "job hold": STEERED,
    "job release": STEERED,
    "job set-priority": STEERED,
    "job retry": QUEUED,
    "job prune": of({"jobs": WHOLE, "dry_run": FLAG, "before": TIME, "job_ids": each(ID)}),
    "worker start": of({"worker_id": ID}),
    "worker list": of({"workers": each(ref("worker"))}),
    "worker drain": ASKED,
    "worker stop": ASKED,
    "worker reload": ASKED,
    "worker check": of(
        {
            "healthy": FLAG,
            "problems": each(TEXT),
            "workers": WHOLE,
            "heartbeat_age_s": {"type": ["number", "null"]},
            "oldest_wait_s": NUMBER,
        }
    ),
    "worker unit": of({"kind": {"enum": ["systemd", "launchd"]}, "text": TEXT}),
    "config list": of({"keys": each(KEY)}),
    "config get": of({"key": KEY["properties"]["key"], "value": ANY, "source": TEXT}),
    "config set": of({"key": KEY["properties"]["key"], "value": ANY, "path": TEXT}),
    "config unset": of({"key": KEY["properties"]["key"], "removed": FLAG, "path": TEXT}),
    "config path": of({"path": TEXT, "exists": FLAG}),
    "config check": of({"path": TEXT, "exists": FLAG, "problems": each(TEXT)}),
    "diagnostics": of(
        {
            "verdict": {"enum": ["ok", "warning", "error"]},
            "checks": each(ref("check")),
            "store": {"type": ["object", "null"]},
            "queue": {"type": ["object", "null"]},
            "sandboxes": each(LEFTOVER),
            "workers": each(ref("worker")),
            "processes": each(ref("process")),
            "orphans": each(ref("process")),
        },
        more=True,
    ),
    "metrics": one_of(
        of(
            {
                "metrics": each(
                    of(
                        {
                            "name": TEXT,
                            "type": TEXT,
                            "help": TEXT,
                            "samples": each(
                                of({"name": TEXT, "labels": {"type": "object"}, "value": NUMBER})
                            ),
                        }
                    )
                )
            }
        ),
        of({"path": TEXT, "metrics": WHOLE}),
    ),
    "cleanup": of({"removed": each(LEFTOVER), "unknown": each(LEFTOVER), "dry_run": FLAG}, more=True),
    "demo": of({"seconds": NUMBER, "left_behind": each(TEXT)}, more=True),
}
"""The ``data`` of each command; of one that exits with another code than 0 it may be null."""


def document() -> Schema:
    """One schema for the envelope of any command; the data of each is in ``$defs`` under the command's words."""
    envelope = of(
        {
            "command": TEXT,
            "status": {"enum": ["ok", "error"]},
            "exit_code": {"enum": [int(code) for code in ExitCode]},
            "data": ANY,
            "timing": of({"started": TIME, "duration_ms": NUMBER}),
            "messages": each(
                of({"level": {"enum": ["info", "warning", "error"]}, "text": TEXT}),
            ),
        }
    )
    rules = [
        {
            "if": {"properties": {"command": {"const": words}}},
            "then": {
                "if": {"properties": {"status": {"const": "ok"}}},
                "then": {"properties": {"data": ref(words)}},
                "else": {"properties": {"data": one_of(ref(words), NOTHING)}},
            },
        }
        for words in DATA
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `agents … --format json` prints",
        **envelope,
        "allOf": rules,
        "$defs": {**DEFINITIONS, **DATA},
    }
