"""``agents completion``."""

from __future__ import annotations

import click

from agentsd.cli.framework import define
from agentsd.cli.output import write
from agentsd.errors import ExitCode

# click's own cuts a description at its first comma.
FISH = """\
function __agents_complete
    for answer in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) %(prog_name)s)
        set --local parts (string split --max 1 , -- $answer)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo $parts[2]
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(__agents_complete)"
"""


@define(
    "completion",
    examples="""agents completion bash > ~/.local/share/bash-completion/completions/agents
    agents completion zsh > ~/.zfunc/_agents
    agents completion fish > ~/.config/fish/completions/agents.fish""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> ExitCode:
    """Print the script that completes `agents` in SHELL: commands, options, keys, phases and the ids that there are.

    Tried with bash 5.2, zsh 5.9 and fish 3.6. For zsh the directory has to be in fpath before compinit.
    """
    from click.shell_completion import FishComplete, get_completion_class  # noqa: PLC0415 - only for this

    from agentsd.cli.main import COMPLETION  # noqa: PLC0415 - main loads this module

    class Fish(FishComplete):
        source_template = FISH

    maker = Fish if shell == "fish" else get_completion_class(shell)
    assert maker is not None  # noqa: S101 - click has all three
    root = click.get_current_context().find_root().command
    write(maker(root, {}, "agents", COMPLETION).source() + "\n")
    return ExitCode.OK
