"""``agents config``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home

from agentsd.cli.config.shown import as_text
from agentsd.model import JSON
from agentsd.store.keys import KEYS, Key

OTHERS: dict[str, tuple[JSON, ...]] = {
    "async.open_files_limit": (1024, 65_536),
    "async.memory_limit": (2**30,),
    "async.job_timeout": (0.25, 90.0),
    "async.preload": (("json", "my.phases"),),
    "async.enabled": (True,),
}
"""Values beside the defaults, where there may be more than one unit."""


@pytest.fixture
def file(home: Home) -> Path:
    """The configuration file, which is not there yet."""
    return Path(home.environ["AGENTS_CONFIG"])


def test_listing_shows_every_key_with_its_value_and_source(agents: Agents, file: Path) -> None:
    """The table for people, the items for programs."""
    file.write_text('[async]\npreload = ["json"]\n')
    agents.set("async.max_workers", 7)
    table = agents("config", "list").out
    items = {item["key"]: item for item in agents.ask("config", "list")["keys"]}

    assert all(name in table for name in KEYS)
    assert items.keys() == KEYS.keys()
    assert (items["async.max_workers"]["value"], items["async.max_workers"]["source"]) == (
        7,
        "AGENTS_ASYNC_MAX_WORKERS",
    )
    assert (items["async.preload"]["value"], items["async.preload"]["source"]) == (["json"], str(file))
    lines = agents("config", "list", "--format", "jsonl").out.splitlines()
    assert [json.loads(line)["key"] for line in lines] == list(KEYS)


def test_a_narrow_list_keeps_every_word_of_the_meanings(
    agents: Agents, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is looked up for what it means; where a value comes from is said in a word."""
    file.write_text('[async]\npreload = ["json"]\n')
    agents.set("async.max_workers", 7)
    monkeypatch.setenv("COLUMNS", "80")
    lines = agents("config", "list").out.splitlines()

    assert max(map(len, lines)) <= 80
    assert re.search(r"async.max_workers +7 +variable", "\n".join(lines))
    assert re.search(r"async.preload +\[json\] +file", "\n".join(lines))
    start = lines[0].index("MEANING")
    said = " ".join(" ".join(line[start:] for line in lines).split())
    assert all(key.help in said for key in KEYS.values())


@pytest.mark.parametrize(
    ("key", "text", "shown", "value"),
    [
        ("async.enabled", "yes", "true", True),
        ("async.max_workers", "3", "3", 3),
        ("async.cancel_grace", "1m", "1m", 60.0),
        ("async.log_limit", "1 MiB", "1.0 MiB", 2**20),
        ("async.preload", "json,os.path", "[json, os.path]", ["json", "os.path"]),
        ("sandbox.base", "head", "head", "head"),
    ],
)
def test_what_is_set_can_be_got_and_unset(
    agents: Agents, file: Path, key: str, text: str, shown: str, value: object
) -> None:
    """And the value as it is shown can be set again."""
    assert agents("config", "set", key, text).out == f"{key} = {shown}\n"
    assert agents.ask("config", "get", key) == {"key": key, "value": value, "source": str(file)}
    assert agents("config", "get", key).out == shown + "\n"
    assert agents("config", "set", key, shown).code == 0
    assert agents.ask("config", "unset", key)["removed"] is True
    assert agents("config", "unset", key).out == f"{key} is not set in {file}.\n"
    assert agents.ask("config", "get", key)["source"] == "default"


def test_setting_says_when_the_environment_wins(agents: Agents) -> None:
    """Else the person wonders why nothing changes."""
    agents.set("async.max_workers", 2)

    assert "AGENTS_ASYNC_MAX_WORKERS is set" in agents("config", "set", "async.max_workers", "3").err


def test_a_wrong_key_or_value_is_refused(agents: Agents, file: Path) -> None:
    """With what was expected, what was got, and the nearest key; nothing is written."""
    for words, hint in (
        (("set", "async.max_worker", "3"), "Did you mean async.max_workers?"),
        (("set", "async.max_workers", "many"), "expected a whole number from 1 to 1024, got 'many'"),
        (("get", "nope"), "Known: async.enabled"),
        (("unset", "sandbox.bas"), "Did you mean sandbox.base?"),
    ):
        said = agents("config", *words)
        assert (said.code, hint in said.err) == (2, True), said
    assert not file.exists()


def test_checking_says_everything_that_is_wrong(agents: Agents, file: Path) -> None:
    """At once, and exits with 2; every other command is refused by the first mistake."""
    assert agents("config", "check").out == f"ok  no file at {file}, environment\n"
    file.write_text("[async]\nmax_workers = 0\nfoo = 1\n")
    said = agents("config", "check")

    assert said.code == 2
    assert len(said.out.splitlines()) == 2
    assert len(agents("config", "check", "--format", "json").envelope["data"]["problems"]) == 2
    assert agents("job", "list").code == 2
    assert "max_workers" in agents("config", "list").err
    assert "max_workers" in agents("config", "get", "async.enabled").err


def test_the_path_is_shown_whether_or_not_there_is_a_file(agents: Agents, file: Path) -> None:
    """So that an editor can be given it."""
    assert agents("config", "path").out == f"{file}\n"
    assert agents.ask("config", "path") == {"path": str(file), "exists": False}


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_what_people_see_can_be_set_again(key: Key) -> None:
    """Whatever unit it is shown with, it is one that the key takes, and the same value."""
    for value in (key.default, *OTHERS.get(key.name, ())):
        assert value == key.parse(as_text(key.name, value)), as_text(key.name, value)
