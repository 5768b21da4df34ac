"""``agents plan schema``."""

from __future__ import annotations

import click

from agentsd.cli.framework import current_output, define
from agentsd.cli.shapes import parsed
from agentsd.errors import ExitCode


@define(
    "schema",
    examples="""agents plan schema > plan.schema.json
    agents plan schema --path""",
)
@click.option("--path", is_flag=True, help="Print where the installed schema is instead.")
def command(path: bool) -> ExitCode:
    """Print the JSON Schema of the plan file, with which editors complete and check plans.

    Editors with the YAML language server find it by the first line of a plan:
    `# yaml-language-server: $schema=plan.schema.json`
    """
    from agentsd.plans.file import schema_file  # noqa: PLC0415 - loads YAML

    file, output = schema_file(), current_output()
    if path:
        return output.result({"path": str(file)}, lambda: [str(file)])
    text = file.read_text()
    return output.result(parsed(text), lambda: [text.rstrip("\n")])
