"""``python -m agentsd`` and the ``agents`` command: the first of our code that runs."""

from __future__ import annotations

import signal
from typing import NoReturn


def start() -> NoReturn:
    """Load the command line and run it.

    Until it is loaded nothing would catch a KeyboardInterrupt, and a Ctrl-C in the first tenth of a second would
    show a traceback. With the kernel's own way it ends this process in silence, as it ends any other command. A
    SIGINT that was ignored, as in a shell's background, stays ignored.
    """
    taken = signal.getsignal(signal.SIGINT)
    if taken is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from agentsd.cli.main import cli  # noqa: PLC0415 - this is what takes the time

    signal.signal(signal.SIGINT, taken)
    cli()
    raise AssertionError("the command line has not ended this process")


if __name__ == "__main__":
    start()
