"""``agents worker unit``: what makes a service manager run a worker."""

from __future__ import annotations

import os
import plistlib
import re
import sys
from pathlib import Path

import click

from agentsd.cli.framework import current_output, define
from agentsd.errors import ExitCode
from agentsd.store.settings import Settings, load_settings

MARGIN = 15.0
"""Seconds beyond both graces in which the last trees are swept and the last ends are written."""
KEPT = ("AGENTS_STATE_DIR", "AGENTS_CONFIG")
"""Variables that say which worker it is. Others are in the configuration file, or are the user's own."""
LABEL = "agentsd.worker"

UNIT = """\
# ~/.config/systemd/user/agentsd.service, printed by `agents worker unit`

[Unit]
Description=agentsd worker: runs queued jobs, each in a process of its own
Documentation=man:agents(1)
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={command} worker start
{environment}# SIGUSR1 has it read its configuration again.
ExecReload=kill -USR1 $MAINPID
Restart=on-failure
RestartSec=2
# A worker whose loop does not turn any more is killed and started again; nothing of its jobs is left behind.
WatchdogSec=60
# The worker ends its jobs itself: the first signal is for it alone. systemd kills only what is left after
# async.shutdown_grace and async.cancel_grace.
KillMode=mixed
TimeoutStopSec={stop:.0f}
# Jobs get control groups of their own below this service.
Delegate=yes
# A job that runs out of memory ends as out_of_memory; it does not take the worker with it.
OOMPolicy=continue
# Jobs run what agents write. None of this keeps them from doing your work, only from gaining rights.
NoNewPrivileges=yes
RestrictRealtime=yes
LockPersonality=yes
LimitCORE=0

[Install]
WantedBy=default.target
"""


@define(
    "unit",
    examples="""agents worker unit > ~/.config/systemd/user/agentsd.service
    systemctl --user enable --now agentsd
    agents worker unit --launchd > ~/Library/LaunchAgents/agentsd.worker.plist""",
)
@click.option("--launchd", is_flag=True, help="A property list for launchd on macOS instead; untested.")
def command(launchd: bool) -> ExitCode:
    """Print a systemd user unit that runs a worker of this installation, with the limits of this configuration.

    Jobs inherit its environment: a service has hardly any. What they need (PATH, keys), add as Environment= lines.
    """
    words = own_command()
    text = property_list(words) if launchd else systemd_unit(words, load_settings())
    kind = "launchd" if launchd else "systemd"
    return current_output().result({"kind": kind, "text": text}, lambda: [text.rstrip("\n")])


def own_command() -> list[str]:
    """What starts this installation of agents, by absolute paths: a service has no PATH to speak of."""
    script = Path(sys.executable).with_name("agents")
    return [str(script)] if script.exists() else [sys.executable, "-m", "agentsd"]


def systemd_unit(words: list[str], settings: Settings) -> str:
    """The text of the unit."""
    environment = "".join(f"Environment={quote(f'{name}={value}')}\n" for name, value in _variables().items())
    stop = settings.shutdown_grace + settings.cancel_grace + MARGIN
    return UNIT.format(command=" ".join(map(quote, words)), environment=environment, stop=stop)


def property_list(words: list[str]) -> str:
    """The text of the property list. Untested: macOS."""
    value = {
        "Label": LABEL,
        "ProgramArguments": [*words, "worker", "start"],
        "EnvironmentVariables": _variables(),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Background",
        "ExitTimeOut": round(load_settings().shutdown_grace + load_settings().cancel_grace + MARGIN),
    }
    return plistlib.dumps(value).decode()


def _variables() -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if name in os.environ}


def quote(word: str) -> str:
    """A word as a unit file takes it: ``%`` and ``$`` would be replaced, and a space would end it."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$-]+", plain):
        return plain
    escaped = plain.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'
