"""``agents``: the table of commands, and the one place where an error becomes a line and an exit code.

Start-up is part of the product: this module imports click and little more, and each command's
module is imported when it is called.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from agentsd.cli.framework import Entry, LazyGroup, MissingCommandError, format_option, nearest
from agentsd.cli.output import FORMATS, Output, write
from agentsd.errors import AgentsError, ExitCode

COMPLETION = "_AGENTS_COMPLETE"
"""The variable by which a shell asks for completions."""

_PLAN = {
    "create": "Check a plan file, freeze it, and store it as a new plan.",
    "schema": "Print the JSON Schema of the plan file, for editors.",
    "list": "List plans, newest first.",
    "show": "Show a plan: its steps, its state, its jobs, its result.",
    "status": "Show where a plan stands, with the progress of its steps.",
    "execute": "Run a plan's steps in its sandbox.",
    "diff": "Show what a plan changed.",
    "apply": "Bring a plan's changes into the project.",
    "revert": "Undo an apply.",
    "logs": "Show the output of a plan's latest job.",
    "cancel": "Cancel the active job of a plan.",
    "retry": "Run a plan again that failed or was cancelled.",
    "discard": "Give a plan up and remove its sandbox.",
}
_JOB = {
    "enqueue": "Put a job into the queue.",
    "list": "List jobs, newest first.",
    "show": "Show everything that is known about a job.",
    "explain": "Say in words what became of a job, and why.",
    "logs": "Show or follow a job's output.",
    "wait": "Wait until jobs have ended; exits as they did.",
    "cancel": "Cancel jobs and end all their processes.",
    "hold": "Keep queued jobs from starting.",
    "release": "Let held jobs start again.",
    "set-priority": "Move queued jobs forward or back.",
    "retry": "Queue a new attempt at a job that has ended.",
    "prune": "Delete finished jobs, their events and logs.",
}
_WORKER = {
    "start": "Run jobs, in the foreground, until stopped.",
    "list": "List workers and how they are.",
    "drain": "Ask a worker to end when its jobs have ended.",
    "stop": "Ask a worker to stop.",
    "reload": "Ask a worker to read the configuration again.",
    "check": "Say whether a worker lives, for monitors.",
    "unit": "Print a systemd unit that runs a worker.",
}
_CONFIG = {
    "list": "List every key, its value and where that comes from.",
    "get": "Show the value of a key.",
    "set": "Set a key in the configuration file.",
    "unset": "Take a key out of the configuration file.",
    "path": "Show where the configuration file is.",
    "check": "Check the file and the environment.",
}


_EXAMPLES = {
    "plan": """agents plan create tidy.plan.yaml
    agents plan execute 01JABCDE
    agents plan diff 01JABCDE
    agents plan apply 01JABCDE""",
    "job": """agents job list --status running --watch
    agents job logs -f 01JABCDE
    agents job explain 01JABCDE
    agents job cancel 01JABCDE --reason "wrong branch\"""",
    "worker": """agents worker start
    agents worker list
    agents worker drain""",
    "config": """agents config list
    agents config set async.max_workers 8""",
}
_FIRST_STEPS = """agents demo
agents plan create tidy.plan.yaml
agents plan execute 01JABCDE
agents worker start
agents job list"""


def _group(name: str, summary: str, commands: Mapping[str, str]) -> LazyGroup:
    entries = {
        word: Entry(f"agentsd.cli.{name}.{word.replace('-', '_')}", text) for word, text in commands.items()
    }
    return LazyGroup(name, summary, entries, params=[format_option()], examples=_EXAMPLES[name])


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from agentsd import __version__  # noqa: PLC0415 - only for this

        write(f"agents {__version__}\n")
        ctx.exit()


class Agents(LazyGroup):
    """The whole command line. Called, it runs this process's arguments and exits."""

    def main(
        self,
        args: Sequence[str] | None = None,
        *more: Any,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit with the right code, every error shown; without *standalone_mode* return or raise."""
        if not standalone_mode:
            return super().main(args, *more, standalone_mode=False, **extra)
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a character shows a question mark instead of a traceback.
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")
        if args is None:
            leave(run(sys.argv[1:]))
        sys.exit(run(args))


cli = Agents(
    "agents",
    "Runs agents' plans in the background, each job in its own process, and leaves none behind.",
    {
        "plan": _group("plan", "Create, run and apply plans.", _PLAN),
        "job": _group("job", "Look at jobs and steer them.", _JOB),
        "worker": _group("worker", "Start and stop the workers that run jobs.", _WORKER),
        "config": _group("config", "Look at the configuration and change it.", _CONFIG),
        "top": Entry("agentsd.cli.top.command", "Watch workers, jobs and processes, live."),
        "diagnostics": Entry("agentsd.cli.diagnostics", "Check everything and list every process."),
        "metrics": Entry("agentsd.cli.metrics", "Print numbers for monitoring, for Prometheus."),
        "cleanup": Entry("agentsd.cli.cleanup", "Remove sandboxes and files that nothing needs."),
        "demo": Entry(
            "agentsd.cli.demo.command", "See it work, in a directory of its own, in a few seconds."
        ),
        "completion": Entry("agentsd.cli.completion", "Print the completion script for a shell."),
        "help": Entry("agentsd.cli.help", "Show the help of a command."),
    },
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the version.",
        ),
        format_option(),
    ],
    examples=_FIRST_STEPS,
    context_settings={"help_option_names": ["--help", "-h"]},  # every command below takes both, too
)


def run(words: Sequence[str]) -> int:
    """Run ``agents WORDS`` and return the exit code. Errors are shown, never raised."""
    _replace_closed_streams()
    output = Output(_wished_format(words), _command_of(words))
    try:
        _check_format(os.environ.get("AGENTS_FORMAT"))
        code = cli.main(args=list(words), prog_name="agents", standalone_mode=False, obj=output)
        sys.stdout.flush()
        return int(code or 0)
    except BrokenPipeError:
        return _leave_broken_pipe()
    except SystemExit:
        if COMPLETION in os.environ:  # a shell asked for completions, and got them
            raise
        return _leave_broken_pipe()  # click's own way of taking a closed pipe
    except BaseException as error:  # noqa: BLE001 - the last place: nothing may reach the user as a traceback
        return _show(error, output)


def _replace_closed_streams() -> None:
    """Started with stdout or stderr closed (``>&-``), Python has None in their place.

    Their numbers are taken first, and in order: the next file that is opened would get them, and a spawner that
    inherits a closed one, or a socket for it, does not start.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - until the exit


def leave(code: int) -> NoReturn:
    """End this process at once: all is closed and flushed, and taking apart what was imported takes 10 ms."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C from here on would find nobody to catch it
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # nobody reads any more
            continue
    os._exit(code)


def _show(error: BaseException, output: Output) -> int:
    try:
        text, code = describe(error)
        if isinstance(error, MissingCommandError) and output.is_table and error.ctx is not None:
            write(error.ctx.get_help() + "\n", sys.stderr)
        else:
            output.error(text, code)
    except BrokenPipeError:
        return _leave_broken_pipe()
    except OSError as problem:  # what stdout goes to takes no more
        write(f"Error: The output cannot be written: {problem.strerror}.\n", sys.stderr)
        return ExitCode.ERROR
    return code


def describe(error: BaseException) -> tuple[str, ExitCode]:
    """What to say about an error, in one line, and the exit code that it becomes."""
    if isinstance(error, AgentsError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "Interrupted.", ExitCode.CANCELLED
    if isinstance(error, click.UsageError):
        hint = f" Try '{error.ctx.command_path} --help'." if error.ctx is not None else ""
        return _sentence(error.format_message()) + _near_choice(error) + hint, ExitCode.USAGE
    if isinstance(error, click.ClickException):
        return _one_line(error.format_message()), ExitCode.USAGE
    if os.environ.get("AGENTS_DEBUG"):
        raise error
    kind = type(error).__name__
    return f"{kind}: {_one_line(str(error))} (AGENTS_DEBUG=1 shows where)", ExitCode.ERROR


def _near_choice(error: click.UsageError) -> str:
    """A hint at the word that was meant, where one of several words was expected."""
    choice = error.param.type if isinstance(error, click.BadParameter) and error.param is not None else None
    if not isinstance(choice, click.Choice):
        return ""
    given = error.message.partition("'")[2].partition("'")[0]
    near = nearest(given, dict.fromkeys(map(str, choice.choices)))
    return near if near.startswith(" Did") else ""  # the message itself lists them all


def _sentence(text: str) -> str:
    """*text* in one line, which ends as a sentence does: click's own sometimes do not, and a hint follows."""
    line = _one_line(text)
    return line if line.endswith((".", "?")) else f"{line}."


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _leave_broken_pipe() -> int:
    """Whoever read our output has enough. Python's own flush at exit must not complain either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return ExitCode.OK


def _wished_format(words: Sequence[str]) -> str:
    """The format to use for errors too, found without parsing: a usage error ends the parsing."""
    wish = os.environ.get("AGENTS_FORMAT", "table")
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word == "--format":
            wish = following
        elif word.startswith("--format="):
            wish = word.removeprefix("--format=")
    return wish if wish in FORMATS else "table"


def _check_format(wish: str | None) -> None:
    if wish is not None and wish not in FORMATS:
        raise click.UsageError(f"AGENTS_FORMAT: expected one of {', '.join(FORMATS)}, got {wish!r}.")


def _command_of(words: Sequence[str]) -> str:
    """The words that name a command, for the envelope: ``job list``."""
    found: list[str] = []
    level: LazyGroup | Entry | None = cli
    for word in words:
        if isinstance(level, LazyGroup) and word in level.entries:
            level = level.entries[word]
            found.append(word)
    return " ".join(found)
