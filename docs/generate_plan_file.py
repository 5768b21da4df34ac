"""Write what follows from the shapes of the plan file: its reference page and its JSON Schema.

Tests fail when the files are older than the shapes; then:

    python docs/generate_plan_file.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from agentsd.plans.file import LIMITS_SHAPE, PLAN_SHAPE, STEP_SHAPE, WRITE_SHAPE, json_schema, schema_file
from agentsd.plans.shape import Shape

HERE = Path(__file__).parent
PAGE = HERE / "reference" / "plan_file.md"
MARK = "<!-- keys -->"

SECTIONS = (
    ("The plan", PLAN_SHAPE),
    ("A step", STEP_SHAPE),
    ("`write`", WRITE_SHAPE),
    ("`limits`", LIMITS_SHAPE),
)


def page() -> str:
    """The whole page: the text around the tables comes from ``plan_file.in.md``."""
    return (HERE / "reference" / "plan_file.in.md").read_text().replace(MARK, tables().rstrip())


def tables() -> str:
    """A table of keys for each mapping of the plan file."""
    return "\n".join(f"### {title}\n\n{''.join(table(shape))}" for title, shape in SECTIONS)


def table(shape: Shape) -> Iterator[str]:
    """The lines of one table."""
    yield "| key | value | meaning |\n|---|---|---|\n"
    for name, key in shape.items():
        needed = " Required." if key.required else ""
        yield f"| `{name}` | {key.kind.words} | {key.doc}{needed} |\n"


def schema() -> str:
    """The JSON Schema as it is shipped."""
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    schema_file().write_text(schema())
