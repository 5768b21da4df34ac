"""``agents completion``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.output import write
from agentsd.errors import ExitCode


@define(
    "completion",
    examples="""agents completion bash > ~/.local/share/bash-completion/completions/agents
    agents completion zsh > ~/.zfunc/_agents
    agents completion fish > ~/.config/fish/completions/agents.fish""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> ExitCode:
    """Print the script that completes `agents` in SHELL."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only for this

    from agentsd.cli.main import COMPLETION  # noqa: PLC0415 - main loads this module

    maker = get_completion_class(shell)
    assert maker is not None  # noqa: S101 - click has all three
    root = click.get_current_context().find_root().command
    write(maker(root, {}, "agents", COMPLETION).source() + "\n")
    return ExitCode.OK
