"""The configuration in force, and where each value comes from.

An environment variable (``AGENTS_ASYNC_MAX_WORKERS``) wins over the TOML file, which wins over the
default. An unknown key or a bad value raises ConfigError, which names the file or variable, what was
expected, what was got, and the nearest key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import NamedTuple, cast

from agentsd.errors import ConfigError
from agentsd.model import JSON
from agentsd.store.keys import KEYS, check_value, nearest
from agentsd.store.paths import config_path

Entry = tuple[str, str, object]
"""A source (a path or a variable), the key that it names, and the value as it stands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration in force. Spans are seconds, sizes are bytes."""

    enabled: bool
    max_workers: int
    poll_interval: float
    job_timeout: float
    job_ttl: float
    cancel_grace: float
    shutdown_grace: float
    max_attempts: int
    retention: float
    log_limit: int
    standbys: int
    preload: tuple[str, ...]
    containment: str
    memory_limit: int
    cpu_limit: float
    open_files_limit: int
    nice: int
    sandbox_cleanup: str
    sandbox_base: str

    @property
    def limits(self) -> dict[str, int]:
        """What each process of a job may use, by the words of a plan; what is not limited is missing."""
        found = {
            "memory": self.memory_limit,
            "cpu": ceil(self.cpu_limit),
            "open_files": self.open_files_limit,
            "nice": self.nice,
        }
        return {name: value for name, value in found.items() if value}


class Sourced(NamedTuple):
    """A value in force and where it comes from: ``default``, a path, or a variable's name."""

    value: JSON
    source: str


def load_settings(environ: Mapping[str, str] = os.environ, path: Path | None = None) -> Settings:
    """The settings in force; *path* is the TOML file (default: :func:`config_path`), which may be missing.

    Raises ConfigError for the first thing that is wrong.
    """
    values, problems = read_settings(environ, path)
    if problems:
        raise problems[0]
    return Settings(**{KEYS[name].field: sourced.value for name, sourced in values.items()})


def read_settings(
    environ: Mapping[str, str] = os.environ, path: Path | None = None
) -> tuple[dict[str, Sourced], list[ConfigError]]:
    """Every key's value with its source, and everything that is wrong; a bad value leaves the one below it."""
    values = {key.name: Sourced(key.default, "default") for key in KEYS.values()}
    problems: list[ConfigError] = []
    entries = _from_file(path or config_path(environ), problems) + _from_environ(environ, problems)
    for source, name, value in entries:
        try:
            values[name] = Sourced(check_value(name, value, source), source)
        except ConfigError as error:
            problems.append(error)
    return values, problems


def _from_environ(environ: Mapping[str, str], problems: list[ConfigError]) -> list[Entry]:
    by_variable = {key.variable: key.name for key in KEYS.values()}
    found: list[Entry] = []
    for variable, text in environ.items():
        if variable in by_variable:
            found.append((variable, by_variable[variable], text))
        elif variable.startswith(("AGENTS_ASYNC_", "AGENTS_SANDBOX_")):
            hint = nearest(variable, by_variable)
            problems.append(ConfigError("environment", expected="a known variable", got=variable, hint=hint))
    return found


def _from_file(path: Path, problems: list[ConfigError]) -> list[Entry]:
    tables = _read_toml(path, problems)
    found: list[Entry] = []
    for name, content in tables.items():
        if isinstance(content, dict):
            table = cast("dict[str, object]", content)
            found += [(str(path), f"{name}.{key}", value) for key, value in table.items()]
        else:
            found.append((str(path), name, content))
    return found


def _read_toml(path: Path, problems: list[ConfigError]) -> dict[str, JSON]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        problems.append(ConfigError(str(path), expected="a readable file", got=error.strerror))
        return {}
    import tomllib  # noqa: PLC0415 - start-up without a file does not pay for it

    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        problems.append(ConfigError(str(path), expected="UTF-8", got=f"byte {error.start} is not"))
    except tomllib.TOMLDecodeError as error:
        problems.append(ConfigError(str(path), expected="TOML", got=str(error)))
    return {}
