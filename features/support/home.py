"""A state directory, a configuration and an environment of one's own, for one scenario."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentsd.model import JSON

if TYPE_CHECKING:
    from agentsd import Client
    from agentsd.store.paths import StateDir


def _is_of_the_caller(name: str) -> bool:
    """Whether a variable says something of whoever runs the tests: their agentsd, the size of their terminal."""
    return name.startswith("AGENTS_") or name in ("COLUMNS", "LINES")


class Home:
    """Everything that agentsd reads from its surroundings, in a directory that is removed at the end.

    The directory lies straight below the system's temporary one: a Unix socket's path is at most
    107 bytes, and a test runner's own temporary directories are longer.
    """

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="agents-"))
        self.environ = {name: value for name, value in os.environ.items() if not _is_of_the_caller(name)}
        self.environ |= {
            "HOME": str(self._directory("home")),
            "XDG_RUNTIME_DIR": str(self._directory("run")),
            "AGENTS_STATE_DIR": str(self.root / "state"),
            "AGENTS_CONFIG": str(self.root / "config.toml"),
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def _directory(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(mode=0o700)
        return path

    @property
    def state(self) -> StateDir:
        """The state directory, made on first use as the product makes it."""
        from agentsd.store.paths import state_dir  # noqa: PLC0415 - see connect

        return state_dir(self.environ)

    def set(self, key: str, value: object) -> None:
        """Set the configuration *key* (``async.max_workers``) for every program started from now on."""
        self.environ["AGENTS_" + key.replace(".", "_").upper()] = str(value)

    def connect(self) -> Client:
        """A client on this home's store, with this home's settings.

        Imported here, because some tests look at what is loaded and when.
        """
        from agentsd import connect  # noqa: PLC0415
        from agentsd.store.settings import load_settings  # noqa: PLC0415

        return connect(self.state, load_settings(self.environ))

    def sql(self, statement: str, *values: JSON) -> list[Any]:
        """Run one statement on the database as somebody with ``sqlite3`` would, without agentsd."""
        connection = sqlite3.connect(self.state.database, timeout=10)
        try:
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def remove(self) -> None:
        """Remove the directory and all that is in it."""
        shutil.rmtree(self.root)
