"""What is loaded when: start-up time, and the promise that no process with a store in it forks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def loaded_by(statement: str) -> set[str]:
    """The names of all modules that a fresh interpreter has loaded after *statement*."""
    program = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    # Measuring coverage would load modules of its own.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    return set(ended.stdout.split())


def test_importing_agentsd_loads_neither_the_store_nor_the_command_line() -> None:
    """The public names are loaded on first use."""
    assert loaded_by("import agentsd") & {"peewee", "sqlite3", "psutil", "click", "rich"} == set()


@pytest.mark.parametrize(
    "module", ["agentsd.workers.program", "agentsd.workers.context", "agentsd.workers.tools"]
)
def test_a_process_that_forks_jobs_or_runs_one_loads_no_store(module: str) -> None:
    """A database handle that is carried over a fork loses commits; a small process forks faster."""
    loaded = loaded_by(f"import {module}")

    assert loaded & {"peewee", "playhouse", "sqlite3", "click", "rich", "psutil"} == set()
    assert {name for name in loaded if name.startswith(("agentsd.store", "agentsd.supervisor"))} == set()


def test_a_spawner_loads_little() -> None:
    """Each fork copies what is there, whether its job needs it or not: also when a job has been rehearsed."""
    program = "import agentsd.workers.program\nfrom agentsd.workers.board import Board\nagentsd.workers.program.rehearse(Board())"
    heavy = {
        "orjson", "dataclasses", "inspect", "typing", "pathlib", "traceback", "subprocess", "logging", "datetime", "peewee", "psutil",
    }  # fmt: skip

    assert (loaded_by(program) - loaded_by("")) & heavy == set()
    assert loaded_by(f"import {', '.join(heavy)}") >= heavy  # they would be seen


def test_every_public_name_exists() -> None:
    """Each name that agentsd offers lazily is really there."""
    names = ["AsyncJob", "AsyncJobStatus", "CancellationToken", "Client", "JobContext", "connect"]
    program = "import agentsd\n" + "\n".join(f"assert agentsd.{name}" for name in names)

    assert "agentsd.supervisor.client" in loaded_by(program)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    """As for any module."""
    import agentsd  # noqa: PLC0415

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = agentsd.nonsense  # pyright: ignore


def test_every_module_can_be_imported() -> None:
    """No module hides a missing dependency behind being rarely used."""
    program = (
        "import importlib, pkgutil, agentsd\n"
        "for module in pkgutil.walk_packages(agentsd.__path__, 'agentsd.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
