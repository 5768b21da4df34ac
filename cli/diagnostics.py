"""``agents diagnostics``: whether everything is well, and what runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentsd.cli.checks.finding import ERROR, OK, WARNING, Finding, Seen
from agentsd.cli.checks.surroundings import check_config, check_disk, check_git
from agentsd.cli.framework import current_output, define
from agentsd.cli.output import paint, short_ids, table, width, wrapped
from agentsd.cli.shapes import worker_item
from agentsd.cli.words import STATE_STYLES, count
from agentsd.errors import AgentsError, ExitCode
from agentsd.model import JSON, AsyncJobStatus, Worker
from agentsd.store.paths import StateDir, state_dir
from agentsd.store.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from agentsd.store.health import IntegrityCheck
    from agentsd.store.settings import Settings
    from agentsd.supervisor.client import Client

LEVELS = len(WARNING)
"""Columns of the longest level."""
PROCESS_HEADINGS = ("PID", "ROLE", "STATE", "AGE", "CPU", "RSS", "TITLE")


@dataclass(slots=True)
class Report:
    """Everything that was found."""

    findings: list[Finding] = field(default_factory=list[Finding])
    facts: dict[str, JSON] = field(default_factory=dict[str, JSON])
    workers: list[tuple[Worker, str]] = field(default_factory=list[tuple[Worker, str]])
    processes: list[Seen] = field(default_factory=list[Seen])
    orphans: list[Seen] = field(default_factory=list[Seen])

    @property
    def verdict(self) -> str:
        """The worst level of any finding."""
        levels = {finding.level for finding in self.findings}
        return ERROR if ERROR in levels else WARNING if WARNING in levels else OK


@define("diagnostics", examples="agents diagnostics\nagents diagnostics --format json | jq .data.verdict")
def command() -> ExitCode:
    """Check configuration, store, disk, git, workers, queue and sandboxes, and list every process of every job.

    Exits with 1 if something is wrong; a warning is none.
    """
    report = examine()
    code = ExitCode.ERROR if report.verdict == ERROR else ExitCode.OK
    return current_output().result(as_json(report), lambda: describe(report), exit_code=code)


def examine() -> Report:
    """Look at everything; whatever cannot be looked at is a finding, not an error."""
    report = Report()
    settings, report.findings = check_config()
    report.findings.append(check_git())
    try:
        state = state_dir()
        report.findings.append(check_disk(state.root))
        _examine_store(report, state, settings)
    except AgentsError as error:
        report.findings.append(Finding("store", ERROR, str(error)))
    return report


def _examine_store(report: Report, state: StateDir, settings: Settings) -> None:
    from agentsd.supervisor.client import connect  # noqa: PLC0415 - opens the store

    with connect(state, settings) as client:
        from agentsd.store.health import IntegrityCheck  # noqa: PLC0415 - loaded with the store

        integrity = IntegrityCheck(state.database)  # runs while everything else is looked at
        _examine_queue(report, client)
        _examine_processes(report, client, settings)
        _examine_store_file(report, client, integrity)


def _examine_store_file(report: Report, client: Client, integrity: IntegrityCheck) -> None:
    from agentsd.cli.checks import storage  # noqa: PLC0415 - loaded with the store

    report.facts["store"], found = storage.check_store(client, integrity)
    # First, as everything else rests on it.
    report.findings[:0] = found


def _examine_queue(report: Report, client: Client) -> None:
    from agentsd.cli.checks import storage  # noqa: PLC0415 - loaded with the store

    report.facts["queue"], found = storage.check_queue(client)
    report.findings += found
    boxes, found = storage.check_sandboxes(client)
    report.facts["sandboxes"] = [box.to_json() for box in boxes]
    report.findings += found


def _examine_processes(report: Report, client: Client, settings: Settings) -> None:
    from agentsd.cli.checks import containment, processes  # noqa: PLC0415 - psutil takes 10 ms to load

    report.workers, found = processes.check_workers(client)
    report.findings += found
    report.findings += containment.check_containment([row for row, _ in report.workers], settings.containment)
    report.findings += containment.check_groups(client)
    report.findings += containment.check_unkillable(client)
    running = client.list(statuses=[AsyncJobStatus.RUNNING])
    report.processes = processes.list_processes([row for row, _ in report.workers], running)
    report.orphans = processes.find_orphans(client, report.processes)
    for each in report.orphans:
        text = f"Process {each.pid} ({each.title}) was left by worker {each.worker_id}. The next worker to start ends it."
        report.findings.append(Finding("orphans", ERROR, text))
    for text in processes.missing_processes(client, report.processes):
        report.findings.append(Finding("invariants", ERROR, text))


def as_json(report: Report) -> dict[str, JSON]:
    """The report as a JSON object."""
    return {
        "verdict": report.verdict,
        "checks": [finding.to_json() for finding in report.findings],
        "store": None,
        "queue": None,
        "sandboxes": [],
        **report.facts,
        "workers": [worker_item(row, health) for row, health in report.workers],
        "processes": [each.to_json() for each in report.processes],
        "orphans": [each.to_json() for each in report.orphans],
    }


def describe(report: Report) -> Iterable[str]:
    """The report as lines."""
    space = max(len(finding.what) for finding in report.findings)
    margin = LEVELS + space + 4
    for finding in report.findings:
        mark = paint(finding.level.ljust(LEVELS), STATE_STYLES[finding.level])
        first, *more = wrapped([finding.text], width() - margin)
        yield f"{mark}  {finding.what.ljust(space)}  {first}"
        yield from (" " * margin + line for line in more)
    if report.workers:
        from agentsd.cli.worker.list import worker_table  # noqa: PLC0415 - only with workers

        yield from ("", *worker_table(report.workers))
    if report.processes or report.orphans:
        yield from ("", *_process_table([*report.processes, *report.orphans]))
    number = {level: sum(finding.level == level for finding in report.findings) for level in (ERROR, WARNING)}
    verdict = paint(report.verdict, STATE_STYLES[report.verdict])
    yield from (
        "",
        f"Verdict: {verdict} ({count(number[ERROR], 'error')}, {count(number[WARNING], 'warning')})",
    )


def _process_table(processes: Sequence[Seen]) -> Iterable[str]:
    rows = [
        (
            str(each.pid),
            each.role,
            each.state,
            format_seconds(round(each.age_s)),
            format_seconds(each.cpu_s),
            format_bytes(each.rss_bytes),
            "  " * each.depth + (each.title if width() == sys.maxsize else short_ids(each.title)),
        )
        for each in processes
    ]
    return table(PROCESS_HEADINGS, rows, right=("PID", "AGE", "CPU", "RSS"), give=("TITLE",))
