"""``agents metrics``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

import agentsd
from agentsd.cli.framework import Seconds, current_output, define
from agentsd.cli.prometheus import COUNTER, GAUGE, HISTOGRAM, Metric, text_of
from agentsd.cli.session import session
from agentsd.cli.words import seconds_between
from agentsd.errors import ExitCode, InvalidInputError
from agentsd.model import REASONS

if TYPE_CHECKING:
    from agentsd.supervisor.client import Client


@define(
    "metrics",
    examples="""agents metrics
    agents metrics --window "15 m"
    agents metrics --output /var/lib/node_exporter/agentsd.prom""",
)
@click.option(
    "--window", type=Seconds(), default=3600.0, help="The window of agentsd_jobs_ended [default: 1 h]."
)
@click.option(
    "--output",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file, whole or not at all.",
)
def command(window: float, file: Path | None) -> ExitCode:
    """Print numbers for monitoring in the text format of Prometheus.

    They are of this moment and of all the time of the store: what ends in _total and the histograms only grow, also when
    old jobs are pruned. agentsd_jobs_ended alone is of the window. With --output, the textfile collector of
    node_exporter reads them: run this from a timer.
    """
    output = current_output()
    with session() as client:
        metrics = list(collect(client, window))
    if file is not None:
        write_whole(file, "".join(f"{line}\n" for line in text_of(metrics)))
        return output.result({"path": str(file), "metrics": len(metrics)}, list)
    items = [metric.to_json() for metric in metrics]
    return output.result({"metrics": items}, lambda: text_of(metrics), items=items)


def write_whole(file: Path, text: str) -> None:
    """Write a file that its readers see old or new, never in part. Raises InvalidInputError if it cannot be written."""
    # node_exporter reads only what ends in .prom, so not this one.
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        try:
            draft.write_text(text)
            draft.chmod(0o644)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInputError(
            "--output", expected=f"a file that can be written ({error.strerror})", got=str(file)
        ) from None


def collect(client: Client, window: float) -> Iterator[Metric]:
    """Everything that is measured; *window* is seconds."""
    yield Metric("agentsd_info", GAUGE, "The version of agentsd that measured.").add(
        1, version=agentsd.__version__
    )
    yield from _queue(client)
    yield from _ended(client, window)
    yield from _spans(client)
    yield from _workers(client)
    yield from _store(client)


def _queue(client: Client) -> Iterator[Metric]:
    from agentsd.store import jobs, metrics  # noqa: PLC0415 - loaded with the client

    kept = Metric(
        "agentsd_jobs", GAUGE, "Jobs in the store by status; those that ended are kept for async.retention."
    )
    for status, number in jobs.counts(client.db).items():
        kept.add(number, status=status)
    yield kept
    queue = Metric("agentsd_queue_jobs", GAUGE, "Queued jobs by what keeps them: ready, held, after, newer.")
    found = metrics.waiting(client.db)
    for each in found:
        queue.add(each.number, phase=each.phase, state=each.state)
    yield queue
    ages = [seconds_between(each.oldest) for each in found if each.state == "ready"]
    help_ = "Seconds that the job has waited which has waited longest of those that are ready; 0 without any."
    yield Metric("agentsd_queue_oldest_age_seconds", GAUGE, help_).add(max(ages, default=0.0))
    running = Metric("agentsd_jobs_running", GAUGE, "Running jobs by phase.")
    for phase, number in metrics.running(client.db).items():
        running.add(number, phase=phase)
    yield running
    help_ = "Jobs that were ever queued in this store."
    yield Metric("agentsd_jobs_enqueued_total", COUNTER, help_).add(metrics.enqueued(client.db))


def _ended(client: Client, window: float) -> Iterator[Metric]:
    from agentsd.store import metrics, retention  # noqa: PLC0415 - loaded with the client

    finished = Metric(
        "agentsd_jobs_finished_total", COUNTER, "Jobs that ever ended, by phase, status and reason."
    )
    known = {(phase, status, reason): number for phase, status, reason, number in metrics.finished(client.db)}
    for phase in sorted({phase for phase, _, _ in known} | set(metrics.active_phases(client.db))):
        # Zeros, too: a series that begins with 1 has not increased for Prometheus, and the first failure went unseen.
        for status, reason in (
            (status, reason) for status, some in REASONS.items() for reason in sorted(some)
        ):
            finished.add(known.get((phase, status, reason), 0), phase=phase, status=status, reason=reason)
    yield finished
    yield Metric("agentsd_window_seconds", GAUGE, "The window of what ended lately.").add(window)
    lately = Metric(
        "agentsd_jobs_ended", GAUGE, "Jobs that ended within the window, by phase, status and reason."
    )
    for phase, status, reason, number in metrics.ended(client.db, retention.cutoff(window)):
        lately.add(number, phase=phase, status=status, reason=reason)
    yield lately


def _spans(client: Client) -> Iterator[Metric]:
    from agentsd.store import metrics  # noqa: PLC0415 - loaded with the client
    from agentsd.store.totals import LABELS  # noqa: PLC0415

    help_ = "From being queued to its start, of the jobs that began and have ended."
    waits = Metric("agentsd_job_wait_seconds", HISTOGRAM, help_)
    help_ = "From its start to its end, of the jobs that began and have ended."
    runs = Metric("agentsd_job_run_seconds", HISTOGRAM, help_)
    for phase, each in metrics.spans(client.db, "wait").items():
        waits.add_histogram(LABELS, each.within, each.seconds, phase=phase)
    for phase, each in metrics.spans(client.db, "run").items():
        runs.add_histogram(LABELS, each.within, each.seconds, phase=phase)
    yield from (waits, runs)


def _workers(client: Client) -> Iterator[Metric]:
    from agentsd.cli.worker.health import seen_workers  # noqa: PLC0415 - loaded with the client

    found = seen_workers(client)
    numbers = Counter(health for _, health in found)
    health = Metric("agentsd_workers", GAUGE, "Workers that have not ended, by their health.")
    for word in ("alive", "draining", "silent", "dead"):
        health.add(numbers[word], health=word)
    yield health
    age = Metric("agentsd_worker_heartbeat_age_seconds", GAUGE, "Seconds since a worker's last sign of life.")
    slots = Metric("agentsd_worker_slots", GAUGE, "Jobs that a worker runs at once.")
    running = Metric("agentsd_worker_running", GAUGE, "Jobs that a worker runs now.")
    done = Metric("agentsd_worker_jobs_processed_total", COUNTER, "Jobs that a worker has ended.")
    for worker, _ in found:
        age.add(seconds_between(worker.last_heartbeat), worker=worker.worker_id, host=worker.host)
        slots.add(worker.max_workers, worker=worker.worker_id)
        running.add(worker.running, worker=worker.worker_id)
        done.add(worker.jobs_processed, worker=worker.worker_id)
    yield from (age, slots, running, done)


def _store(client: Client) -> Iterator[Metric]:
    size = Metric("agentsd_store_bytes", GAUGE, "Size of the database and of its write-ahead log.")
    path = client.state.database
    for name, file in (("database", path), ("wal", path.with_name(path.name + "-wal"))):
        size.add(file.stat().st_size if file.exists() else 0, file=name)
    yield size
