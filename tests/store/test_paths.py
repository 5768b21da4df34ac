"""Where things live, and which places are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.home import Home

from agentsd.errors import ConfigError, StateDirError
from agentsd.store import paths
from agentsd.store.paths import StateDir, config_path, runtime_dir, short_temporary_dir, state_dir


def test_every_name_lies_in_the_state_directory() -> None:
    """Whatever agentsd keeps is below one directory."""
    state = StateDir(Path("/s"))

    assert Path("/s/agents.db") == state.database
    assert Path("/s/logs/J") == state.job_logs("J")
    assert Path("/s/apply/P.json") == state.apply_journal("P")
    assert (Path("/s/sandboxes"), Path("/s/locks")) == (state.sandboxes, state.locks)


def test_a_missing_state_directory_is_made_private(tmp_path: Path) -> None:
    """It is made with its parents, closed to everybody else."""
    state = state_dir({"AGENTS_STATE_DIR": str(tmp_path / "a" / "b")})

    assert state.root.stat().st_mode & 0o777 == 0o700


def test_without_a_variable_it_is_the_xdg_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty variable counts as none."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert tmp_path / "agentsd" == state_dir({"AGENTS_STATE_DIR": ""}).root


def test_a_tilde_is_the_home_directory(tmp_path: Path) -> None:
    """Service managers pass values that no shell has expanded."""
    environ = {"HOME": str(tmp_path), "AGENTS_STATE_DIR": "~/state", "AGENTS_CONFIG": "~/c.toml"}

    assert tmp_path / "state" == state_dir(environ).root
    assert tmp_path / "c.toml" == config_path(environ)


def test_a_state_directory_that_is_no_text_is_refused() -> None:
    """Its path is stored in rows and told to jobs."""
    with pytest.raises(ConfigError, match=r"expected a path in UTF-8, got b'/tmp/x\\xff'"):
        state_dir({"AGENTS_STATE_DIR": os.fsdecode(b"/tmp/x\xff")})


def test_a_relative_state_directory_is_refused() -> None:
    """Two terminals in two directories would have two stores."""
    with pytest.raises(ConfigError, match="AGENTS_STATE_DIR: expected an absolute path, got 'state'"):
        state_dir({"AGENTS_STATE_DIR": "state"})


def test_a_file_is_no_state_directory(tmp_path: Path) -> None:
    """Neither is anything below one."""
    file = tmp_path / "file"
    file.touch()

    for path, words in ((file, "is not a directory"), (file / "below", "cannot be made")):
        with pytest.raises(StateDirError, match=words):
            state_dir({"AGENTS_STATE_DIR": str(path)})


def test_a_state_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for root, whose jobs must not land in somebody's home."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)

    with pytest.raises(StateDirError, match="belongs to uid"):
        state_dir({"AGENTS_STATE_DIR": str(tmp_path)})


def test_a_state_directory_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write anywhere but on a read-only file system, so the kernel's answer is asked for."""

    def refuse(*_: object) -> bool:
        return False

    monkeypatch.setattr(os, "access", refuse)

    with pytest.raises(StateDirError, match="cannot be written"):
        state_dir({"AGENTS_STATE_DIR": str(tmp_path)})


def test_an_open_directory_is_closed_if_it_is_ours_alone(tmp_path: Path) -> None:
    """An empty one, or one with a store in it, becomes private."""
    tmp_path.chmod(0o755)
    state_dir({"AGENTS_STATE_DIR": str(tmp_path)})

    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_an_open_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """AGENTS_STATE_DIR=/ must not lock everybody out of the machine."""
    (tmp_path / "etc").mkdir()
    tmp_path.chmod(0o755)

    with pytest.raises(StateDirError, match="left alone"):
        state_dir({"AGENTS_STATE_DIR": str(tmp_path)})
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_sockets_live_in_the_users_runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is one that is private and short enough."""
    monkeypatch.setattr(paths, "SOCKET_PATH_LIMIT", 1000)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "AGENTS_STATE_DIR": str(tmp_path / "state")}

    assert tmp_path / "agentsd" == runtime_dir(environ)


@pytest.mark.parametrize("spoil", ["open", "file", "link", "missing", "relative"])
def test_a_runtime_directory_that_is_not_private_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    """Then the state directory, which is private, holds the sockets."""
    monkeypatch.setattr(paths, "SOCKET_PATH_LIMIT", 1000)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "AGENTS_STATE_DIR": str(tmp_path / "state")}
    ours = tmp_path / "agentsd"
    match spoil:
        case "open":
            ours.mkdir(mode=0o755)
        case "file":
            ours.touch()
        case "link":
            ours.symlink_to(tmp_path)
        case "missing":
            environ["XDG_RUNTIME_DIR"] = str(tmp_path / "not" / "there")
        case _:
            environ["XDG_RUNTIME_DIR"] = "run"

    assert tmp_path / "state" == runtime_dir(environ)


def test_a_long_state_directory_puts_sockets_below_the_temporary_one(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel takes 107 bytes for a socket's path."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(home.root))
    environ = {"AGENTS_STATE_DIR": str(home.root / ("long" * 30))}

    assert runtime_dir(environ) == home.root / f"agentsd-{os.geteuid()}"


def test_a_long_temporary_directory_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """TMPDIR may be as long as it likes; /tmp is there and short."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/long" * 30)

    assert short_temporary_dir() == Path("/tmp")  # noqa: S108


def test_a_foreign_directory_below_the_temporary_one_is_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may make names in /tmp: one that is not ours is not used."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(home.root))
    uid = os.geteuid()
    (home.root / f"agentsd-{uid + 1}").mkdir(mode=0o700)
    environ = {"AGENTS_STATE_DIR": str(home.root / ("long" * 30))}
    root = state_dir(environ).root

    def as_before(_environ: object) -> StateDir:
        return StateDir(root)

    monkeypatch.setattr(paths, "state_dir", as_before)
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)

    with pytest.raises(StateDirError, match=f"belongs to uid {uid}"):
        runtime_dir(environ)


def test_the_configuration_is_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is one for now, not for whatever directory the program goes to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))

    assert tmp_path / "c.toml" == config_path({"AGENTS_CONFIG": "c.toml"})
    assert tmp_path / "xdg/agentsd/config.toml" == config_path({})
