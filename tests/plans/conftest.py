"""The project that plan tests work on."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.plan_lab import Lab


@pytest.fixture
def lab(tmp_path: Path, state_root: Path) -> Lab:
    """A git project with one commit."""
    made = Lab(tmp_path, state_root)
    made.start_git()
    return made


@pytest.fixture
def bare_lab(tmp_path: Path, state_root: Path) -> Lab:
    """A project that is in no git repository."""
    return Lab(tmp_path, state_root)
