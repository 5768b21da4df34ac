"""A fresh store for the tests of the ground floor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.home import Home

from agentsd.store.database import Database, open_store


@pytest.fixture
def db(home: Home) -> Iterator[Database]:
    """An open, empty store."""
    with open_store(home.state) as database:
        yield database
