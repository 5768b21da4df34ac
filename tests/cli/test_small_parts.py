"""Words and values at the edges: what other commands show only in rare moments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.agents import Agents
from support.home import Home

from agentsd.cli import pager
from agentsd.cli.checks.containment import check_containment
from agentsd.cli.progress import describe_doing
from agentsd.cli.shapes import progress_of
from agentsd.errors import ConfigError, GitError, InvalidInputError, NotFoundError
from agentsd.model import JSON, AsyncJobStatus
from agentsd.plans.git import Git
from agentsd.plans.repository import Repository, open_repository
from agentsd.plans.sandbox import Sandbox, SandboxRequest, planned
from agentsd.plans.strategies import STRATEGIES
from agentsd.store.keys import check_value


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("async.memory_limit", "1 KiB", "0 for none, or a size of at least"),
        ("async.cpu_limit", "0.1 s", "0 for none, or a span from"),
        ("async.open_files_limit", 3, "0 for none, or a whole number from"),
    ],
)
def test_a_limit_is_none_or_large_enough(key: str, value: JSON, expected: str) -> None:
    """What no program could live with is refused; zero is no limit."""
    with pytest.raises(ConfigError, match=expected):
        check_value(key, value)

    assert check_value(key, 0) == 0


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (None, ""),
        ({"done": 1}, ""),
        ({"doing": "merging\x1b"}, "merging\\x1b"),
        ({"doing": "writing", "done": 2, "total": 3, "what": "files"}, "writing 2/3 files"),
        ({"doing": "writing", "done": 2, "total": 3}, "writing 2/3"),
    ],
)
def test_what_a_job_without_steps_is_doing(progress: JSON, words: str) -> None:
    """As much as it says, and nothing that steers a terminal."""
    assert describe_doing(progress) == words


def test_steps_of_any_form_are_settled_when_their_job_has_ended(agents: Agents) -> None:
    """What ran with it is lost, what waited is skipped, and what is no step is left alone."""
    with agents.home.connect() as client:
        job = replace(
            client.enqueue("noop"), status=AsyncJobStatus.FAILED, finished_at="2026-01-31T09:00:00.000000Z"
        )
    told = '{"steps": [7, {"state": "running"}, {"state": "waiting"}, {"state": "succeeded"}]}'

    assert progress_of(replace(job, progress='{"steps": 3}')) == {"steps": 3}
    assert progress_of(replace(job, progress="[1]")) == [1]
    assert progress_of(replace(job, progress=told))["steps"] == [
        7,
        {"state": "lost", "finished_at": job.finished_at},
        {"state": "skipped"},
        {"state": "succeeded"},
    ]


def test_a_plans_phases_are_not_queued_by_the_thousand(agents: Agents) -> None:
    """A plan has one active job."""
    with agents.home.connect() as client, pytest.raises(InvalidInputError, match="a plan has one active job"):
        client.enqueue_many("execute", [(None, {})])


def test_other_systems_are_told_what_holds_jobs_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than here."""
    assert "no control group" in next(iter(check_containment([], "subreaper"))).text
    with monkeypatch.context() as elsewhere:
        elsewhere.delattr("os.pidfd_open")
        assert "without pidfd" in next(iter(check_containment([], "auto"))).text
    monkeypatch.setattr("sys.platform", "darwin")
    assert "process groups only" in next(iter(check_containment([], "auto"))).text


@pytest.fixture
def worktree(home: Home, project: Path) -> tuple[Repository, Sandbox]:
    """A worktree that is to be made for a job of the project."""
    repository = open_repository(project, home.state.root)
    request = SandboxRequest(plan_id="P", job_id="J", strategy="worktree")
    return repository, planned(repository, home.state.root, request, repository.head() or "")


def test_a_worktree_is_registered_again_when_a_prune_was_in_between(
    worktree: tuple[Repository, Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the last try; then git's own words are the error."""
    repository, box = worktree
    box.path.parent.mkdir(parents=True)
    real, tries = Git.call, list[str]()

    def fail_twice(self: Git, *words: str, **more: object) -> object:
        if words[:2] == ("worktree", "add"):
            tries.append("add")
            if len(tries) < 3:
                return real(self, "no-such-command")
        return real(self, *words, **more)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Git, "call", fail_twice)
    STRATEGIES["worktree"].make(repository, box)

    assert len(tries) == 3
    assert (box.path / "VERSION").read_text() == "1.0\n"
    STRATEGIES["worktree"].unregister(repository, box)


def test_a_worktree_that_git_never_registers_is_gits_own_error(
    worktree: tuple[Repository, Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few tries, and nothing is left of it."""
    repository, box = worktree
    real = Git.call

    def fail(self: Git, *words: str, **more: object) -> object:
        if words[:2] == ("worktree", "add"):
            return real(self, "no-such-command")
        return real(self, *words, **more)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Git, "call", fail)
    with pytest.raises(GitError, match="no-such-command"):
        STRATEGIES["worktree"].make(repository, box)

    assert not box.path.exists()


def test_the_pager_is_found_without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Or without its repository: as git would choose it."""
    monkeypatch.delenv("GIT_PAGER", raising=False)
    monkeypatch.setenv("PAGER", "more")
    assert pager._choose(tmp_path / "gone") == "more"  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr("shutil.which", lambda _name: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert pager._choose(tmp_path) == "more"  # pyright: ignore[reportPrivateUsage]
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda _name: str(fake))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert pager._choose(tmp_path) == "more"  # pyright: ignore[reportPrivateUsage]


def test_many_jobs_of_a_plan_that_is_not_there(agents: Agents) -> None:
    """Nothing is queued."""
    with agents.home.connect() as client:
        with pytest.raises(NotFoundError):
            client.enqueue_many("noop", [(None, {})], plan_id="01ABCDEFGHJKMNPQRSTVWXYZ00")
        assert client.list() == []
