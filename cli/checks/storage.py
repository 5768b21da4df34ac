"""The store, the queue, and what lies beside the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from agentsd.cli.checks.finding import ERROR, OK, WARNING, Finding
from agentsd.cli.output import printable
from agentsd.cli.words import ago, count
from agentsd.model import JSON, AsyncJobStatus
from agentsd.store import health, jobs, listing, plans
from agentsd.store.units import format_bytes

if TYPE_CHECKING:
    from agentsd.plans.upkeep import Finding as Leftover
    from agentsd.plans.upkeep import PlanFacts
    from agentsd.supervisor.client import Client

LARGE_WAL = 128 * 2**20
"""Bytes of write-ahead log above which some reader must be keeping it from being folded in."""


def check_store(client: Client, integrity: health.IntegrityCheck) -> tuple[dict[str, JSON], list[Finding]]:
    """The database file, and rows that contradict each other. Waits for the check of the file."""
    contradictions = health.contradictions(client.db)
    seen = health.examine(client.db, integrity.result())
    facts = {name: getattr(seen, name) for name in seen.__dataclass_fields__}
    sizes = f"{format_bytes(seen.size)}, WAL {format_bytes(seen.wal_size)}"
    findings = [Finding("store", OK, f"{seen.path}: version {seen.version}, {sizes}, SQLite {seen.sqlite}")]
    if seen.integrity != "ok":
        text = (
            f"The database is damaged: {seen.integrity}. Stop the workers and restore a copy of {seen.path}."
        )
        findings.append(Finding("store", ERROR, text))
    if seen.wal_size > LARGE_WAL:
        text = f"The write-ahead log has {format_bytes(seen.wal_size)}: some process keeps it from being folded in."
        findings.append(Finding("store", WARNING, text))
    findings += [Finding("invariants", ERROR, text) for text in contradictions]
    return facts, findings


def check_queue(client: Client) -> tuple[dict[str, JSON], list[Finding]]:
    """How many jobs there are in each state, and what keeps those that wait."""
    numbers = jobs.counts(client.db)
    oldest = health.oldest_queued(client.db)
    newer = jobs.waiting_for_newer_worker(client.db)
    facts = {"counts": numbers, "oldest_queued": oldest, "waiting_for_newer_worker": newer}
    words = ", ".join(f"{number} {status}" for status, number in numbers.items())
    findings = [Finding("queue", OK, words + (f"; the oldest has waited {ago(oldest)}" if oldest else ""))]
    if newer:
        text = (
            f"{count(len(newer), 'job')} from a newer agentsd wait for a newer worker: {', '.join(newer[:5])}"
        )
        findings.append(Finding("queue", WARNING, text))
    if numbers[AsyncJobStatus.QUEUED] > len(newer) and not client.live_workers():
        findings.append(Finding("queue", WARNING, "Jobs wait and no worker is running: agents worker start"))
    return facts, findings


def plan_facts(client: Client) -> dict[str, PlanFacts]:
    """What the store knows of each plan, for judging sandboxes."""
    from agentsd.plans.upkeep import PlanFacts  # noqa: PLC0415 - knows git

    active: dict[str, set[str]] = {}
    for plan_id, job_id in listing.active_jobs_of_plans(client.db):
        active.setdefault(plan_id, set()).add(job_id)
    return {
        plan.plan_id: PlanFacts(plan.state, frozenset(active.get(plan.plan_id, ())))
        for plan in plans.list_plans(client.db)
    }


def check_sandboxes(client: Client) -> tuple[list[Leftover], list[Finding]]:
    """Every sandbox, judged. That one of a plan which failed or was cancelled stays is by design, and no warning."""
    from agentsd.plans.upkeep import FOREIGN, survey  # noqa: PLC0415 - knows git

    found = survey(client.state.root, plan_facts(client))
    ours = [each for each in found if each.kind not in FOREIGN]
    removable = sum(each.removable for each in ours)
    words = count(len(ours), "sandbox", "sandboxes")
    findings = [
        Finding("sandboxes", OK, words + (f", {removable} can go: agents cleanup" if removable else ""))
    ]
    findings += [
        Finding("sandboxes", WARNING, f"{printable(each.path)}: {each.detail}")
        for each in found
        if each.kind in FOREIGN
    ]
    return found, findings


def stray_logs(client: Client) -> Iterable[str]:
    """Ids for which there is a directory of logs and no job."""
    if client.state.logs.is_dir():
        there = sorted(path.name for path in client.state.logs.iterdir())
        yield from listing.unknown_jobs(client.db, there)
