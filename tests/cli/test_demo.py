"""``agents demo``: it works, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home
from support.operator import AGENTS
from support.patience import PATIENCE, eventually
from support.terminal import Terminal

from agentsd.cli.demo.scene import Interrupted, Scene, scene
from agentsd.cli.demo.story import Story


@pytest.fixture
def temporary(home: Home) -> Path:
    """A temporary directory of the demo's own, so that whatever it leaves is seen."""
    folder = home.root / "tmp"
    folder.mkdir()
    home.environ["TMPDIR"] = str(folder)
    return folder


@pytest.mark.slow
def test_the_demo_shows_everything_and_leaves_nothing(home: Home, temporary: Path) -> None:
    """On a terminal, in under 20 seconds."""
    begin = time.monotonic()
    terminal = Terminal([str(AGENTS), "demo"], home.environ, home.root)
    try:
        assert terminal.wait(60) == 0, terminal.screen
    finally:
        terminal.end()

    assert time.monotonic() - begin < 20 * PATIENCE
    for words in ("naughty", "none is left", "b/CHANGELOG.md", "applied", "Nothing is left"):
        assert words in terminal.screen
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", terminal.screen)
    assert [line for line in plain.splitlines() if len(line) > 80] == []
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_a_program_gets_what_the_demo_did(home: Home, temporary: Path) -> None:
    """As data, without the story."""
    ended = subprocess.run(
        [AGENTS, "demo", "--format", "json"], env=home.environ, capture_output=True, check=False
    )
    data = json.loads(ended.stdout)["data"]

    assert ended.returncode == 0
    assert {name: job["status"] for name, job in data["jobs"].items()} == {
        "tidy": "succeeded",
        "test": "succeeded",
        "naughty": "cancelled",
        "release": "succeeded",
    }
    assert (data["left_behind"], data["files_applied"]) == ([], 2)
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("when", ["1.", "2.", "running"])
def test_an_interrupted_demo_leaves_nothing(
    home: Home, temporary: Path, number: signal.Signals, when: str
) -> None:
    """At its begin and in its middle; even if it is killed, shortly afterwards."""
    log = home.root / "demo.log"
    with log.open("wb") as out:
        demo = subprocess.Popen([AGENTS, "demo"], env=home.environ, stdout=out, stderr=out)
    eventually(lambda: when in log.read_text(), 30, "the demo has come so far")
    demo.send_signal(number)

    assert demo.wait(30) == (-number if number is signal.SIGKILL else 130)
    eventually(lambda: not list(temporary.iterdir()), 10, "the directory is gone")


def test_a_reader_that_has_enough_ends_the_demo(home: Home, temporary: Path) -> None:
    """Quietly, and nothing is left."""
    demo = subprocess.Popen(
        [AGENTS, "demo"], env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert demo.stdout is not None
    assert demo.stderr is not None
    demo.stdout.readline()
    demo.stdout.close()

    assert demo.wait(30) == 0
    assert demo.stderr.read() == b""
    demo.stderr.close()
    assert list(temporary.iterdir()) == []


def test_a_scene_notes_a_signal_and_obeys_it_when_it_waits(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never in the middle of making or removing something; an error that the signal caused is none."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(temporary))
    before = signal.getsignal(signal.SIGINT)
    places: list[Scene] = []
    with pytest.raises(Interrupted), scene() as (place, left):
        places.append(place)
        os.kill(os.getpid(), signal.SIGINT)
        assert place.root.exists()
        place.pause()
    with pytest.raises(Interrupted), scene() as (place, left):
        os.kill(os.getpid(), signal.SIGTERM)
        raise OSError("git was interrupted")
    with pytest.raises(OSError, match="git broke"), scene():
        raise OSError("git broke")

    assert left == []
    assert not places[0].root.exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_scene_that_waits_in_vain_says_for_what(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the worker said."""
    monkeypatch.setattr("agentsd.cli.demo.scene.PATIENCE", 0.1)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(temporary))

    with pytest.raises(TimeoutError, match=r"the moon.*nothing"), scene() as (place, _):
        place.until(lambda: False, "the moon")


def test_what_is_left_of_a_scene_is_told(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo that leaves something behind does not end well."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(temporary))

    def refuse(_path: Path) -> None:
        raise OSError("busy")

    monkeypatch.setattr("agentsd.cli.demo.scene.remove_tree", refuse)
    with scene() as (place, left):
        pass

    assert left == [str(place.root)]


def test_a_demo_that_leaves_something_fails(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    """It promised not to."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(temporary))

    def play(_story: Story) -> dict[str, object]:
        return {}

    def leave(place: Scene) -> list[str]:
        strike(place)
        return ["process 7"]

    strike = Scene.strike
    monkeypatch.setattr(Story, "play", play)
    monkeypatch.setattr(Scene, "strike", leave)
    said = agents("demo")

    assert said.code == 1
    assert "The demo left behind: process 7" in said.err
