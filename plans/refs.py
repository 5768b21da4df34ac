"""References under ``refs/agents/``, which keep snapshots from being collected as garbage.

``refs/agents/<plan>/<job>/base`` and ``…/result`` belong to one execute, ``refs/agents/<plan>/apply/…`` to the
apply. Nothing outside ``refs/agents/`` is ever written.
"""

from __future__ import annotations

from agentsd.plans.git import Git

PREFIX = "refs/agents"


def job_ref(plan_id: str, job_id: str, what: str) -> str:
    """The ref of one snapshot of an execute job: *what* is ``base`` or ``result``."""
    return f"{PREFIX}/{plan_id}/{job_id}/{what}"


def apply_ref(plan_id: str, what: str) -> str:
    """The ref of one snapshot of the apply: *what* is ``before`` or ``after``."""
    return f"{PREFIX}/{plan_id}/apply/{what}"


def pin(git: Git, ref: str, commit: str) -> None:
    """Point *ref* at *commit*."""
    git.call("update-ref", ref, commit)


def listed(git: Git, plan_id: str = "") -> dict[str, str]:
    """Every ref of ours (of one plan if given) with its commit."""
    pattern = f"{PREFIX}/{plan_id}" if plan_id else PREFIX
    lines = git.text("for-each-ref", "--format=%(objectname) %(refname)", pattern).splitlines()
    return {name: oid for oid, _, name in (line.partition(" ") for line in lines)}


def remove(git: Git, plan_id: str) -> dict[str, str]:
    """Delete the refs of a plan; return what they pointed at, which git keeps for a while yet."""
    gone = listed(git, plan_id)
    git.call("update-ref", "--stdin", stdin="".join(f"delete {name}\n" for name in gone).encode())
    return gone
