"""The built-in phases, as the entry points name them."""

from __future__ import annotations

from importlib.metadata import entry_points

from support.plan_lab import Lab

from agentsd.workers import builtin


def test_the_entry_points_lead_to_the_phases() -> None:
    found = {point.name: point.load() for point in entry_points(group="agentsd.phases", name="execute")}
    found |= {point.name: point.load() for point in entry_points(group="agentsd.phases", name="apply")}

    assert found == {"execute": builtin.execute, "apply": builtin.apply}


def test_execute_and_then_apply(lab: Lab) -> None:
    plan = lab.shell("echo made > file")

    result = builtin.execute(lab.job(plan))
    report = builtin.apply(lab.job(plan, result))

    assert report["files"] == [{"path": "file", "status": "added"}]
    assert lab.read("file") == "made\n"
