"""A real terminal with one command in its foreground: keys reach it as they would from a keyboard."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.patience import eventually


class Terminal:
    """Runs one command as the leader of a new session on a pseudo-terminal."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], directory: Path) -> None:
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            self._become(command, {**environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}, directory)
        self._chunks: list[bytes] = []
        self._status: int | None = None
        self._hang_up, hung_up = os.pipe()
        # A terminal that nobody reads fills up, and then the command blocks in its write.
        self._reader = threading.Thread(target=self._read, args=(hung_up,), daemon=True)
        self._reader.start()

    @staticmethod
    def _become(command: Sequence[str], environ: Mapping[str, str], directory: Path) -> None:
        try:
            os.chdir(directory)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # whatever the background of a shell makes of it
            os.execve(command[0], list(command), environ)
        finally:
            os._exit(127)

    def _read(self, hung_up: int) -> None:
        """Collect what is written, until the terminal is closed from either side.

        The thread that reads is also the one that closes: while a read is under way, a close by another
        thread is put off by the kernel, and nobody would get SIGHUP.
        """
        with contextlib.suppress(OSError):  # EIO: the last process on the terminal has gone
            # What was written before the hang-up is read to its end.
            while self._master in select.select([self._master, hung_up], [], [])[0]:
                self._chunks.append(os.read(self._master, 65536))
        os.close(self._master)
        os.close(hung_up)

    @property
    def screen(self) -> str:
        """Everything that was written to the terminal so far."""
        return b"".join(self._chunks).decode(errors="replace")

    def wait_for_text(self, text: str, seconds: float) -> None:
        """Wait until *text* has been written."""
        eventually(lambda: text in self.screen, seconds, lambda: f"{text!r} is written; seen:\n{self.screen}")

    def press(self, keys: str) -> None:
        """Keys that are pressed one after the other."""
        os.write(self._master, keys.encode())

    def press_control_c(self) -> None:
        """Ctrl-C, which the terminal turns into SIGINT for its foreground process group."""
        self.press("\x03")

    def close(self) -> None:
        """Close the terminal's window: its session leader gets SIGHUP."""
        if self._hang_up >= 0:
            os.close(self._hang_up)
            self._hang_up = -1
        self._reader.join()

    def wait(self, seconds: float) -> int:
        """The exit code of the command (128 + n for signal n), once it has ended."""
        eventually(self._has_ended, seconds, lambda: f"the command ended; seen:\n{self.screen}")
        assert self._status is not None
        # Its last words may not have been read yet. Something that it left behind may keep the terminal open.
        self._reader.join(1)
        code = os.waitstatus_to_exitcode(self._status)
        return code if code >= 0 else 128 - code

    def _has_ended(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def end(self) -> None:
        """Kill the command if it is alive; for cleaning up."""
        if not self._has_ended():
            os.kill(self.pid, signal.SIGKILL)
            self.wait(5)
        self.close()
