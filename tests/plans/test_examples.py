"""The examples do what they say."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.plan_lab import Lab

from agentsd.errors import BadPayloadError, JobCancelled
from agentsd.plans.execute import execute
from agentsd.plans.file import load_plan
from agentsd.plans.steps import log_path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture
def copy(lab: Lab) -> Lab:
    """A project that holds the files of this repository which the example plans work on."""
    for name in ("setup.cfg", "src/agentsd/__init__.py", "README.md"):
        lab.write({name: (ROOT / name).read_bytes()})
    for room in ("cli", "plans", "store", "supervisor", "workers"):
        lab.write({f"{room}/__init__.py": ""})
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(EXAMPLES, lab.project / "examples", ignore=ignored)
    lab.commit()
    return lab


def phase() -> Any:
    path = EXAMPLES / "custom_phase" / "src" / "agentsd_count_words" / "__init__.py"
    spec = importlib.util.spec_from_file_location("agentsd_count_words", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.count_words


@pytest.mark.parametrize("name", sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.yml")))
def test_every_example_is_a_valid_plan(lab: Lab, name: str) -> None:
    assert load_plan(EXAMPLES / name, lab.project).description


def test_the_version_is_raised_everywhere(copy: Lab) -> None:
    plan = load_plan(EXAMPLES / "bump_version.yml", copy.project)

    result = copy.execute(plan)
    copy.apply(plan, result)

    assert [file["path"] for file in result["files"]] == ["setup.cfg", "src/agentsd/__init__.py"]
    assert (result["insertions"], result["deletions"]) == (2, 2)


def test_trailing_blanks_are_removed(copy: Lab) -> None:
    copy.write({"plans/untidy.py": "a = 1  \n\n\n", "plans/empty.py": "\n"})
    plan = load_plan(EXAMPLES / "tidy.yml", copy.project)

    copy.apply(plan, copy.execute(plan))

    assert copy.read("plans/untidy.py") == "a = 1\n"
    assert copy.read("plans/empty.py") == ""


def test_agents_that_are_not_installed_are_skipped_clearly(
    copy: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "git", "env"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "/nowhere")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    job = copy.job(load_plan(EXAMPLES / "agents.yml", copy.project))

    result = execute(job)

    assert result["empty"]
    assert log_path(job.log_dir, 1).read_text().startswith("SKIPPED: claude is not installed")
    assert log_path(job.log_dir, 2).read_text().startswith("SKIPPED: codex is not installed")


def test_the_custom_phase_counts_words(lab: Lab) -> None:
    lab.write({"a.md": "One two two.", "deep/b.md": "Two, 3 zwölf", "c.txt": "not this"})
    job = lab.job(lab.shell("true"))
    job.payload = {"folder": str(lab.project)}

    result = phase()(job)

    assert (result["files"], result["words"]) == (2, 5)
    assert result["most_frequent"] == {"two": 3, "one": 1, "zwölf": 1}
    assert result["commit"] == lab.git("rev-parse", "HEAD")
    assert job.told[-1] == {"files": 2, "of": 2, "words": 5}


def test_the_custom_phase_can_be_cancelled_and_refuses_a_bad_payload(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    job = lab.job(lab.shell("true"))
    job.payload = {"folder": str(tmp_path)}
    assert phase()(job)["commit"] is None

    job.token.set()
    with pytest.raises(JobCancelled):
        phase()(job)

    for payload in (None, {"folder": 1}, {"folder": "/nowhere"}):
        job.payload = payload
        with pytest.raises(BadPayloadError, match="existing `folder`"):
            phase()(job)
