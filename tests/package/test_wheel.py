"""The built wheel: what is in it, and that it stands on its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from support.home import Home
from support.pages import blocks

PROJECT = Path(__file__).parents[2]
ROOMS = ("cli", "plans", "store", "supervisor", "workers")

pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The wheel that nox built."""
    if "AGENTSD_WHEEL" not in os.environ:
        pytest.skip("AGENTSD_WHEEL is not set; `nox -s package` builds the wheel and sets it")
    return Path(os.environ["AGENTSD_WHEEL"])


def tracked(*paths: str) -> set[str]:
    """The files below *paths* that git tracks."""
    if not (PROJECT / ".git").exists():
        pytest.skip("this is not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *paths], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return {name for name in listed.stdout.split("\0") if name}


def test_the_wheel_holds_exactly_what_git_tracks(wheel: Path) -> None:
    """A checkout without symbolic links, or a stale build directory, makes a wheel that differs."""
    names = {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if ".dist-info/" not in name and ".data/" not in name
    }
    rooms = {f"agentsd/{name}" for name in tracked(*ROOMS)}
    package = {name.removeprefix("src/") for name in tracked("src")} - {f"agentsd/{room}" for room in ROOMS}

    assert rooms | package == names


def test_the_wheel_brings_its_manual(wheel: Path) -> None:
    """An installation puts the pages where `man` finds them."""
    names = {
        name.partition(".data/data/")[2] for name in zipfile.ZipFile(wheel).namelist() if ".data/" in name
    }

    assert {f"share/man/man1/{Path(name).name}" for name in tracked("man")} == names


def test_the_sdist_holds_what_a_packager_needs(wheel: Path) -> None:
    """Whoever builds from the sdist can run the tests and the documentation too."""
    (sdist,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = tracked(
        "tests", "features", "robot", "benchmarks", "docs", "man", "examples", "noxfile.py", "LICENSE"
    )

    assert wanted - names == set()


@pytest.mark.slow
def test_the_wheel_runs_in_a_bare_environment(wheel: Path, tmp_path: Path) -> None:
    """With what it declares and nothing else, the command starts and finds nothing wrong."""
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    install = [programs / "pip", "install", "--quiet", "--disable-pip-version-check", wheel]
    subprocess.run(install, check=True)
    for command in (
        [programs / "agents", "--version"],
        [programs / "python", "-m", "agentsd", "diagnostics"],
    ):
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("wheel")
def test_the_first_line_of_the_readme_works(tmp_path: Path, home: Home) -> None:
    """In a copy of what git tracks, by somebody who has nothing but Python and git."""
    lines = (PROJECT / "README.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("python3 -m venv") and line.endswith("agents demo")]
    for name in tracked():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, tmp_path / name, follow_symlinks=False)
    command = ["bash", "-c", line]
    done = subprocess.run(
        command, cwd=tmp_path, env=home.environ, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing is left: no process, no file." in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_phase_of_the_guide_is_installed_as_written(wheel: Path, tmp_path: Path, home: Home) -> None:
    """Beside agentsd, by pip; then its jobs run."""
    for block in blocks(PROJECT / "docs" / "guides" / "own_phases.md"):
        if block.file_name is not None:
            (tmp_path / block.file_name).write_text(block.body)
    (install,) = [
        block.body.strip()
        for block in blocks(PROJECT / "docs" / "guides" / "own_phases.md")
        if "pip install" in block.body
    ]
    venv.create(tmp_path / "venv", with_pip=True)
    home.environ["PATH"] = f"{tmp_path / 'venv' / 'bin'}{os.pathsep}{home.environ['PATH']}"
    script = f"""
        pip install --quiet --disable-pip-version-check {wheel}
        {install}
        echo "much text" > a.txt
        job=$(agents job enqueue compress --payload '{{"paths": ["'$PWD'/a.txt"]}}')
        agents worker start --drain
        agents job wait $job
        zcat a.txt.gz
    """
    command = ["bash", "-euc", script]
    done = subprocess.run(
        command, cwd=tmp_path, env=home.environ, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("much text\n")
