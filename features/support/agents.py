"""``agents`` run inside the test's own process: every line is measured, and a failure shows where."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import pytest

from agentsd.cli.main import run
from support.home import Home
from support.schemas import check_envelope


@dataclass(frozen=True)
class Said:
    """What one command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        """The JSON envelope."""
        return json.loads(self.out)

    @property
    def data(self) -> Any:
        """The envelope's data, of a command that must have worked."""
        assert self.code == 0, self
        return self.envelope["data"]


class Agents:
    """Runs ``agents WORDS`` in the test's own home."""

    def __init__(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home, self._monkeypatch, self._capsys = home, monkeypatch, capsys

    def set(self, key: str, value: object) -> None:
        """Set a configuration key for this process and for workers started from now on."""
        self.home.set(key, value)
        self._monkeypatch.setenv("AGENTS_" + key.replace(".", "_").upper(), str(value))

    def __call__(self, *words: str, stdin: str = "") -> Said:
        """Run a command to its end."""
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        self._capsys.readouterr()
        code = run(words)
        out, err = self._capsys.readouterr()
        check_envelope(out)
        return Said(code, out, err)

    def ask(self, *words: str) -> Any:
        """The data of a command that must work."""
        return self(*words, "--format", "json").data

    def enqueue(self, phase: str, payload: object = None) -> str:
        """Queue a job and return its id."""
        return self.ask("job", "enqueue", phase, "--payload", json.dumps(payload))["job_id"]
