"""What holds for every test: a home of its own, and no process left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from support.home import Home
from support.operator import Operator
from support.processes import become_subreaper, end_all, nothing_left_behind
from support.stopping import Stopping

STOPPING = Stopping()


def pytest_configure(config: pytest.Config) -> None:
    """Adopt every orphan, so that the leak check sees daemons too, and hear Ctrl-C and SIGTERM.

    In the background of a shell SIGINT is ignored, and so it would be in everything that the tests start.
    """
    become_subreaper()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    STOPPING.listen()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what an interrupted tear-down has left, and what a killed pytest-xdist worker was the parent of."""
    end_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Whoever stops the run does not cut this short."""
    with STOPPING.postponed():
        return (yield)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A fresh state directory, configuration and HOME, in this process's environment too.

    Autouse, because a test that reached the state directory of whoever runs the tests could cancel
    their jobs.
    """
    made = Home()
    for name in set(os.environ) - set(made.environ):
        monkeypatch.delenv(name)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    yield made
    made.remove()


@pytest.fixture(autouse=True)
def no_process_left(home: Home) -> Iterator[None]:
    """Fail a test that leaves a process behind, daemonised or not; and end the process.

    After :func:`home` in order of set-up, so before it in order of tear-down: nothing runs any more
    when the directory is removed.
    """
    with nothing_left_behind():
        yield


@pytest.fixture
def state_root(home: Home) -> Path:
    """The fresh state directory, made."""
    return home.state.root


@pytest.fixture
def operator(home: Home) -> Operator:
    """Runs ``agents`` in the fresh home."""
    return Operator(home)
