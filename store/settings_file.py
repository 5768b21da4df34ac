"""Writing the configuration file: one key at a time, comments kept, replaced whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table
from tomlkit.toml_document import TOMLDocument

from agentsd.errors import ConfigError
from agentsd.model import JSON
from agentsd.store.keys import check_value, find_key


def set_value(path: Path, name: str, text: str) -> JSON:
    """Set the key *name* to what *text* says and return the value as agentsd reads it.

    Raises ConfigError for an unknown key or a bad value; the file is then as it was.
    """
    value = check_value(name, text)
    table_name, key = name.split(".")

    def change(document: TOMLDocument) -> None:
        if table_name not in document:
            document.add(table_name, tomlkit.table())
        _table(document, table_name, path)[key] = _as_written(text, value)

    _rewrite(path, change)
    return value


def unset_value(path: Path, name: str) -> bool:
    """Take the key *name* out of the file; whether it was there."""
    find_key(name)
    table_name, key = name.split(".")
    removed: list[bool] = []

    def change(document: TOMLDocument) -> None:
        if table_name in document and key in _table(document, table_name, path):
            _table(document, table_name, path).remove(key)
            removed.append(True)

    if path.exists():
        _rewrite(path, change)
    return bool(removed)


def _table(document: TOMLDocument, name: str, path: Path) -> Table:
    table = document[name]
    if not isinstance(table, Table):
        raise ConfigError(f"{path}: {name}", expected=f"a table [{name}]", got=table)
    return table


def _as_written(text: str, value: JSON) -> JSON:
    """The value to store: a span or a size with its unit stays as the person wrote it."""
    if isinstance(value, int | float) and not isinstance(value, bool) and re.search("[A-Za-z]", text):
        return text.strip()
    return list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value


def _rewrite(path: Path, change: Callable[[TOMLDocument], None]) -> None:
    try:
        # A link stays a link: people keep their configuration in a repository of dotfiles.
        target = path.resolve()
        document = tomlkit.parse(target.read_bytes()) if target.exists() else tomlkit.document()
        change(document)
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, tomlkit.dumps(document).encode())
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), expected="TOML", got=str(error)) from None
    except OSError as error:
        raise ConfigError(str(path), expected="a file that can be written", got=error.strerror) from None


def _replace(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".config-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), path.stat().st_mode & 0o777 if path.exists() else 0o600)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
