"""Where things live: the state directory, the runtime directory for sockets, the configuration file."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agentsd.errors import ConfigError, StateDirError

SOCKET_PATH_LIMIT = 100
"""Bytes that a socket's path may have; the kernel's limit is 107 and one byte ends it."""
SOCKET_NAME_ROOM = 40
"""Bytes kept free in the runtime directory's path for the name of a socket."""
_SHARED_BITS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class StateDir:
    """The state directory and the names in it. Making one of these touches no file."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite database."""
        return self.root / "agents.db"

    @property
    def logs(self) -> Path:
        """One directory of output for each job."""
        return self.root / "logs"

    @property
    def spare_logs(self) -> Path:
        """Log folders that are ready for the next jobs, by worker."""
        return self.root / "spare_logs"

    @property
    def sandboxes(self) -> Path:
        """The work trees that plans run in."""
        return self.root / "sandboxes"

    @property
    def apply(self) -> Path:
        """The journals of applies."""
        return self.root / "apply"

    @property
    def locks(self) -> Path:
        """Lock files, one per repository."""
        return self.root / "locks"

    def job_logs(self, job_id: str) -> Path:
        """Where the output of *job_id* is kept."""
        return Path(f"{self.root}/logs/{job_id}")  # of every job, and half the time of two slashes

    def apply_journal(self, plan_id: str) -> Path:
        """The journal of the apply of *plan_id*; it exists from the first write to the last."""
        return self.apply / f"{plan_id}.json"

    def finished_apply_journal(self, plan_id: str) -> Path:
        """What the journal of *plan_id* becomes when everything is written; a revert removes it."""
        return self.apply / f"{plan_id}.applied.json"


def state_dir(environ: Mapping[str, str] = os.environ) -> StateDir:
    """The state directory, made with mode 0700 if it is missing.

    ``AGENTS_STATE_DIR``, else the XDG state directory. Raises StateDirError for one that belongs to
    another user (for root too: root's jobs must not land in somebody's home), that is no directory,
    or that cannot be written.
    """
    root = _named_state_dir(environ)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = root.stat()
    except FileExistsError:
        raise StateDirError(str(root), "is not a directory") from None
    except OSError as error:
        raise StateDirError(str(root), f"cannot be made ({error.strerror})") from None
    if found.st_uid != os.geteuid():
        raise StateDirError(str(root), f"belongs to uid {found.st_uid}, and you are uid {os.geteuid()}")
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise StateDirError(str(root), "cannot be written")
    if found.st_mode & _SHARED_BITS:
        _close_to_others(root, stat.S_IMODE(found.st_mode))
    return StateDir(root)


def find_state_dir(environ: Mapping[str, str] = os.environ) -> StateDir:
    """Where the state directory is or would be; touches no file. Raises ConfigError for a relative path."""
    return StateDir(_named_state_dir(environ))


def _named_state_dir(environ: Mapping[str, str]) -> Path:
    named = environ.get("AGENTS_STATE_DIR")
    if not named:
        from platformdirs import user_state_path  # noqa: PLC0415 - not needed when the variable is set

        return user_state_path("agentsd", appauthor=False)
    root = _expand_home(named, environ)
    if not root.is_absolute():
        raise ConfigError("AGENTS_STATE_DIR", expected="an absolute path", got=named)
    try:  # it is stored, and told to jobs, as text
        named.encode()
    except UnicodeEncodeError:
        raise ConfigError("AGENTS_STATE_DIR", expected="a path in UTF-8", got=os.fsencode(named)) from None
    return root


def _expand_home(text: str, environ: Mapping[str, str]) -> Path:
    if text == "~" or text.startswith("~/"):
        return Path(environ.get("HOME") or Path.home(), text[2:])
    return Path(text)


def _close_to_others(root: Path, mode: int) -> None:
    """Take a directory that others may enter away from them, if it is ours alone.

    Never one that holds other things: AGENTS_STATE_DIR=/ must not lock everybody out of the machine.
    """
    ours = (root / "agents.db").exists()
    if not ours and any(root.iterdir()):
        problem = f"is open to other users (mode {mode:04o}) and holds other files, so it is left alone"
        raise StateDirError(str(root), problem)
    root.chmod(0o700)


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """A private directory for sockets whose path leaves room for a name within the kernel's limit.

    ``$XDG_RUNTIME_DIR/agentsd``, else the state directory, else one below the system's temporary
    directory. Raises StateDirError when even that one is not ours.
    """
    named = environ.get("XDG_RUNTIME_DIR", "")
    if named.startswith("/"):
        candidate = Path(named) / "agentsd"
        if _fits(candidate) and _own_problem(candidate) is None:
            return candidate
    root = state_dir(environ).root
    if _fits(root):
        return root
    candidate = short_temporary_dir() / f"agentsd-{os.geteuid()}"
    problem = _own_problem(candidate)
    if problem is not None:
        raise StateDirError(str(root), f"its path is too long for a socket, and {candidate} {problem}")
    return candidate


def short_temporary_dir() -> Path:
    """The system's temporary directory; ``/tmp`` if that has so long a path that no socket fits below it."""
    import tempfile  # noqa: PLC0415 - slow to load, and seldom needed

    named = Path(tempfile.gettempdir())
    return named if _fits(named / "agentsd-1234567890") else Path("/tmp")  # noqa: S108 - what is made there is private


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory)) + 1 + SOCKET_NAME_ROOM < SOCKET_PATH_LIMIT


def _own_problem(directory: Path) -> str | None:
    """Make *directory* if it is missing; what keeps it from being private and ours, or None."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        return f"cannot be made ({error.strerror})"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a directory"  # a symbolic link: somebody else may choose where it leads
    if found.st_uid != os.geteuid():
        return f"belongs to uid {found.st_uid}"
    if found.st_mode & _SHARED_BITS:
        return "is open to other users"
    return None if os.access(directory, os.W_OK) else "cannot be written"


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration file, whether or not there is one: ``AGENTS_CONFIG``, else the XDG location."""
    named = environ.get("AGENTS_CONFIG")
    if named:
        return _expand_home(named, environ).absolute()
    from platformdirs import user_config_path  # noqa: PLC0415 - not needed when the variable is set

    return user_config_path("agentsd", appauthor=False) / "config.toml"
