"""Ids that agentsd makes."""

from __future__ import annotations

import time

import pytest

from agentsd.store.ids import new_id


def test_ids_sort_by_the_time_of_their_birth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ULID: milliseconds first, then 80 random bits. The time is that of the example in its specification."""
    monkeypatch.setattr(time, "time", lambda: 1469918176.385)
    monkeypatch.setattr(time, "time_ns", lambda: 1469918176385 * 1_000_000)
    many = [new_id() for _ in range(500)]
    monkeypatch.setattr(time, "time", lambda: 1469918176.386)
    monkeypatch.setattr(time, "time_ns", lambda: 1469918176386 * 1_000_000)
    later = new_id()

    assert {ident[:10] for ident in many} == {"01ARYZ6S41"}
    assert len(set(many)) == len(many)
    assert {len(ident) for ident in many} == {26}
    assert set("".join(many)) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert later > max(many)
