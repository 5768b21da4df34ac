"""The configuration: which source wins, and what is said about a mistake."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from agentsd.errors import ConfigError
from agentsd.store.keys import KEYS
from agentsd.store.settings import Settings, load_settings, read_settings
from agentsd.store.settings_file import set_value, unset_value

DEFAULTS = Settings(
    enabled=False,
    max_workers=4,
    poll_interval=1.0,
    job_timeout=3600.0,
    job_ttl=120.0,
    cancel_grace=10.0,
    shutdown_grace=30.0,
    max_attempts=1,
    retention=604800.0,
    log_limit=67108864,
    standbys=4,
    preload=(),
    containment="auto",
    memory_limit=0,
    cpu_limit=0.0,
    open_files_limit=0,
    nice=0,
    sandbox_cleanup="on_apply",
    sandbox_base="worktree",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of a configuration file that is not there yet."""
    return tmp_path / "config.toml"


def test_without_a_file_or_variables_the_defaults_hold(file: Path) -> None:
    """Nobody has to configure anything."""
    assert load_settings({}, file) == DEFAULTS


def test_a_file_wins_over_defaults_and_a_variable_over_the_file(file: Path) -> None:
    """And where each value comes from is known."""
    file.write_text('[async]\nmax_workers = 8\ncancel_grace = "1 m"\npreload = ["json"]\n')
    values, problems = read_settings({"AGENTS_ASYNC_MAX_WORKERS": "2", "AGENTS_SANDBOX_BASE": "head"}, file)

    assert problems == []
    assert (
        values["async.max_workers"].value,
        values["async.max_workers"].source,
    ) == (2, "AGENTS_ASYNC_MAX_WORKERS")
    assert (60.0, str(file)) == (values["async.cancel_grace"].value, values["async.cancel_grace"].source)
    assert values["async.preload"].value == ("json",)
    assert values["async.job_ttl"].source == "default"
    assert load_settings({"AGENTS_SANDBOX_BASE": "head"}, file).sandbox_base == "head"


def test_dotted_keys_are_the_same_as_tables(file: Path) -> None:
    """TOML has two ways to write a table."""
    file.write_text("async.enabled = true\nsandbox.cleanup = 'manual'\n")
    settings = load_settings({}, file)

    assert (settings.enabled, settings.sandbox_cleanup) == (True, "manual")


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("async.enabled", "perhaps", "true or false"),
        ("async.enabled", "2", "true or false"),
        ("async.max_workers", "0", "a whole number from 1 to 1024"),
        ("async.max_workers", "1025", "a whole number from 1 to 1024"),
        ("async.max_workers", "2.5", "a whole number"),
        ("async.poll_interval", "0", "a span from 0.01 s"),
        ("async.poll_interval", "soon", "seconds as a number"),
        ("async.job_timeout", "0", "a span from 0.01 s"),
        ("async.job_ttl", "0.5", "a span from 1 s"),
        ("async.cancel_grace", "-1", "seconds as a number"),
        ("async.shutdown_grace", "100000 d", "(10 years)"),
        ("async.max_attempts", "0", "a whole number from 1 to 100"),
        ("async.retention", "a week", "seconds as a number"),
        ("async.log_limit", "12", "a size of at least 1024 bytes"),
        ("async.preload", "a-b", "a list of module names"),
        ("sandbox.cleanup", "always", "one of on_apply, on_terminal, manual"),
        ("sandbox.base", "main", "one of worktree, head"),
    ],
)
def test_a_bad_value_names_the_variable_the_expected_and_the_got(key: str, text: str, expected: str) -> None:
    """One line with everything that is needed to mend it."""
    with pytest.raises(ConfigError) as caught:
        load_settings({KEYS[key].variable: text}, Path("/nowhere"))

    said = str(caught.value)
    assert said.startswith(f"{KEYS[key].variable}: {key}: expected ")
    assert expected in said
    assert f"got {text!r}" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[async]\nmax_worker = 3\n", "Did you mean async.max_workers?"),
        (
            "[async]\nmax_workers = true\n",
            "async.max_workers: expected a whole number from 1 to 1024, got True",
        ),
        ("[async]\npreload = [1]\n", "expected a list of module names"),
        ("[async]\npreload = 1\n", "expected a list of module names"),
        ("[async]\nenabled = 1\n", "expected true or false, got 1"),
        ("sandbox = 3\n", "expected a known key, got 'sandbox'"),
        ("zzz = 3\n", "Known: async.enabled"),
        ("[async\n", "expected TOML"),
        ("x = '\xff'\n", "expected UTF-8"),
    ],
)
def test_a_mistake_in_the_file_names_the_file(file: Path, text: str, said: str) -> None:
    """And what would have been right."""
    file.write_bytes(text.encode("latin-1"))

    with pytest.raises(ConfigError) as caught:
        load_settings({}, file)
    assert str(caught.value).startswith(str(file))
    assert said in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A directory, for one."""
    with pytest.raises(ConfigError, match="expected a readable file, got 'Is a directory'"):
        load_settings({}, tmp_path)


def test_an_unknown_variable_of_ours_is_an_error(file: Path) -> None:
    """A typing mistake that is ignored is found only when the limit is needed."""
    with pytest.raises(ConfigError, match=r"Did you mean AGENTS_ASYNC_JOB_TTL\?"):
        load_settings({"AGENTS_ASYNC_JOB_TLL": "3"}, file)


def test_all_mistakes_are_found_at_once(file: Path) -> None:
    """Whoever checks a configuration wants to mend it in one go."""
    file.write_text("[async]\nmax_workers = 0\nfoo = 1\n")
    _, problems = read_settings({"AGENTS_SANDBOX_BASE": "x"}, file)

    assert len(problems) == 3


def test_setting_a_value_keeps_comments_and_units(file: Path) -> None:
    """The file belongs to the person who wrote it."""
    file.write_text("# mine\n[async]\nmax_workers = 2  # small machine\n")
    set_value(file, "async.cancel_grace", " 30 s")
    set_value(file, "async.max_workers", "3")
    set_value(file, "async.enabled", "yes")
    set_value(file, "async.preload", "json, os.path")
    set_value(file, "sandbox.base", "head")

    assert file.read_text() == (
        '# mine\n[async]\nmax_workers = 3  # small machine\ncancel_grace = "30 s"\nenabled = true\n'
        'preload = ["json", "os.path"]\n\n[sandbox]\nbase = "head"\n'
    )


def test_a_new_file_is_private_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    """Its directory is made too."""
    file = tmp_path / "new" / "config.toml"
    set_value(file, "async.max_workers", "3")

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    set_value(file, "async.max_workers", "4")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [file] == list(file.parent.iterdir())


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    """People keep their configuration in a repository of dotfiles."""
    (tmp_path / "real.toml").write_text("")
    link = tmp_path / "config.toml"
    link.symlink_to(tmp_path / "real.toml")
    set_value(link, "async.max_workers", "3")

    assert link.is_symlink()
    assert load_settings({}, link).max_workers == 3


def test_a_refused_value_leaves_the_file_as_it_was(file: Path) -> None:
    """Unknown keys and bad values alike."""
    for key, text in (("async.max_workers", "x"), ("async.nope", "1")):
        with pytest.raises(ConfigError):
            set_value(file, key, text)

    assert not file.exists()


def test_unsetting_says_whether_there_was_something_to_unset(file: Path) -> None:
    """Without a file there is not, and none is made."""
    assert unset_value(file, "async.max_workers") is False
    assert not file.exists()
    set_value(file, "async.max_workers", "3")
    assert unset_value(file, "async.max_workers") is True
    assert unset_value(file, "sandbox.base") is False
    assert load_settings({}, file) == DEFAULTS


@pytest.mark.parametrize("text", ["[async\n", "async = 3\n"])
def test_a_broken_file_is_not_written_over(file: Path, text: str) -> None:
    """What is in it may be somebody's work."""
    file.write_text(text)

    with pytest.raises(ConfigError):
        set_value(file, "async.max_workers", "3")
    assert text == file.read_text()


def test_a_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Its directory is a file, for one."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="a file that can be written"):
        set_value(tmp_path / "file" / "config.toml", "async.max_workers", "3")


def test_a_failed_replacement_leaves_no_temporary_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a half-written configuration."""
    set_value(file, "async.max_workers", "3")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(ConfigError, match="No space left"):
        set_value(file, "async.max_workers", "4")
    assert [file] == list(file.parent.iterdir())
    assert load_settings({}, file).max_workers == 3
