"""A wall clock that a test sets forward and back for the programs it starts; awake time stays what it is.

Python runs the ``sitecustomize`` that it finds first on its path before any other code of a program.
"""

from __future__ import annotations

from pathlib import Path

from support.home import Home

_SITECUSTOMIZE = """\
import datetime
import os
import time

_time, _time_ns = time.time, time.time_ns


def _offset():
    with open(os.environ["WALL_CLOCK_OFFSET"]) as file:
        return float(file.read() or 0)


class _Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)


time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + int(_offset() * 1e9)
datetime.datetime = _Shifted
"""


class WallClock:
    """The wall clock of every program that is started in *home* from now on."""

    def __init__(self, home: Home) -> None:
        self._file = home.root / "offset"
        self._file.write_text("0")
        folder = home.root / "clock"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        paths = [str(folder), home.environ.get("PYTHONPATH", "")]
        home.environ["PYTHONPATH"] = ":".join(path for path in paths if path)
        home.environ["WALL_CLOCK_OFFSET"] = str(self._file)

    def jump(self, seconds: float) -> None:
        """Set it to so much from the truth."""
        new = Path(f"{self._file}.new")
        new.write_text(str(seconds))
        new.rename(self._file)
