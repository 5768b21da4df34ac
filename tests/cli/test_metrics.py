"""Numbers for monitoring: what Prometheus reads, and what they are."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.agents import Agents
from support.supervisor import Supervisor

from agentsd.cli import prometheus
from agentsd.cli.prometheus import GAUGE, Metric, text_of
from agentsd.store.totals import LABELS

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """What Prometheus' own parser finds."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """One sample."""
    return samples[name, frozenset(labels.items())]


def test_an_empty_store_has_numbers_too(agents: Agents) -> None:
    """Zeros, so that an alert has something to compare with."""
    samples = read(agents("metrics").out)

    assert value(samples, "agentsd_queue_oldest_age_seconds") == 0
    assert value(samples, "agentsd_jobs_enqueued_total") == 0
    assert value(samples, "agentsd_workers", health="alive") == 0
    assert value(samples, "agentsd_jobs", status="failed") == 0
    assert value(samples, "agentsd_store_bytes", file="database") > 0


def test_the_queue_is_told_by_what_keeps_it(agents: Agents) -> None:
    """What is held does not count as waiting."""
    first = agents.enqueue("noop")
    agents("job", "enqueue", "echo", "--hold")
    agents("job", "enqueue", "noop", "--after", first)
    samples = read(agents("metrics").out)

    assert value(samples, "agentsd_queue_jobs", phase="noop", state="ready") == 1
    assert value(samples, "agentsd_queue_jobs", phase="noop", state="after") == 1
    assert value(samples, "agentsd_queue_jobs", phase="echo", state="held") == 1
    assert value(samples, "agentsd_jobs", status="queued") == 3
    assert value(samples, "agentsd_queue_oldest_age_seconds") > 0
    assert value(samples, "agentsd_jobs_enqueued_total") == 3


def test_what_ended_and_how_long_it_took(agents: Agents, worker: Supervisor) -> None:
    """Counters and histograms of all, a gauge of the window; histograms grow from bucket to bucket and end in the count."""
    jobs = [agents.enqueue("sleep", {"seconds": 0.06}), agents.enqueue("raise"), agents.enqueue("raise")]
    agents("job", "wait", *jobs)
    samples = read(agents("metrics").out)

    assert value(samples, "agentsd_jobs_ended", phase="raise", status="failed", reason="handler_error") == 2
    assert value(samples, "agentsd_jobs_ended", phase="sleep", status="succeeded", reason="completed") == 1
    finished = {"name": "agentsd_jobs_finished_total", "phase": "raise", "status": "failed"}
    assert value(samples, **finished, reason="handler_error") == 2
    for name in ("agentsd_job_run_seconds", "agentsd_job_wait_seconds"):
        buckets = [value(samples, f"{name}_bucket", phase="raise", le=label) for label in LABELS]
        assert buckets == sorted(buckets)
        assert value(samples, f"{name}_bucket", phase="raise", le="+Inf") == 2
        assert value(samples, f"{name}_count", phase="raise") == 2
    assert value(samples, "agentsd_job_run_seconds_bucket", phase="sleep", le="0.05") == 0
    assert value(samples, "agentsd_job_run_seconds_sum", phase="sleep") >= 0.06
    row = worker.row
    assert value(samples, "agentsd_workers", health="alive") == 1
    assert value(samples, "agentsd_worker_jobs_processed_total", worker=row.worker_id) == 3
    assert value(samples, "agentsd_worker_heartbeat_age_seconds", worker=row.worker_id, host=row.host) >= 0
    assert value(samples, "agentsd_worker_slots", worker=row.worker_id) == 4
    lately = read(agents("metrics", "--window", "0").out)
    assert not [name for name, _ in lately if name == "agentsd_jobs_ended"]
    assert value(lately, "agentsd_window_seconds") == 0
    assert value(lately, **finished, reason="handler_error") == 2


def test_counters_survive_pruning_and_other_workers(agents: Agents, worker: Supervisor) -> None:
    """What is deleted stays counted, so that rate() is true."""
    agents("job", "wait", agents.enqueue("sleep", {"seconds": 0.06}), agents.enqueue("raise"))
    held = agents.ask("job", "enqueue", "noop", "--hold")["job_id"]
    agents("job", "cancel", held)
    before = counters(agents("metrics").out)
    agents("job", "prune", "--older-than", "0")
    worker.stop()

    assert agents.ask("job", "list")["jobs"] == []
    after = counters(agents("metrics").out)
    assert before == {**after, **{key: n for key, n in before.items() if "worker" in dict(key[1])}}
    key = {"phase": "noop", "status": "cancelled", "reason": "cancelled_before_start"}
    assert after["agentsd_jobs_finished_total", frozenset(key.items())] == 1
    assert ("agentsd_job_run_seconds_count", frozenset({("phase", "noop")})) not in after, "it never began"


def counters(text: str) -> Samples:
    """What may only grow."""
    return {
        key: n for key, n in read(text).items() if key[0].endswith(("_total", "_bucket", "_sum", "_count"))
    }


def test_the_first_failure_is_an_increase(agents: Agents) -> None:
    """For Prometheus a series that is born with 1 has not grown: it is there with 0 from when the job is queued."""
    agents.enqueue("noop")
    failed = {"phase": "noop", "status": "failed", "reason": "out_of_memory"}

    assert value(read(agents("metrics").out), "agentsd_jobs_finished_total", **failed) == 0


def test_a_file_is_written_whole(agents: Agents, tmp_path: Path) -> None:
    """In one move, readable by the collector, with nothing beside it."""
    file = tmp_path / "agentsd.prom"
    file.write_text("old")
    said = agents("metrics", "--output", str(file))

    assert (said.code, said.out, said.err) == (0, "", "")
    assert value(read(file.read_text()), "agentsd_jobs", status="queued") == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_an_error(agents: Agents, tmp_path: Path) -> None:
    """And the old one stays."""
    said = agents("metrics", "--output", str(tmp_path / "none" / "agentsd.prom"))

    assert said.code == 2
    assert "a file that can be written (No such file or directory)" in said.err


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb", "ä"])
def test_odd_names_are_escaped(odd: str) -> None:
    """A phase may be called anything."""
    metric = Metric("m", GAUGE, "x\\y\nz").add(1.5, phase=odd)
    text = "\n".join(text_of([metric])) + "\n"

    assert read(text) == {("m", frozenset({("phase", odd)})): 1.5}


def test_programs_get_the_same_numbers(agents: Agents) -> None:
    """With --format json."""
    agents.enqueue("noop")
    metrics = {metric["name"]: metric for metric in agents.ask("metrics")["metrics"]}

    assert metrics["agentsd_jobs_enqueued_total"]["samples"][0]["value"] == 1
    assert metrics["agentsd_job_run_seconds"]["type"] == prometheus.HISTOGRAM
    assert metrics["agentsd_jobs_finished_total"]["type"] == prometheus.COUNTER


def test_every_metric_is_documented(agents: Agents) -> None:
    """In the how-to: what an alert may ask for."""
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "monitoring.md").read_text()
    names = [metric["name"] for metric in agents.ask("metrics")["metrics"]]

    assert [name for name in names if name not in text] == []


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_nothing_to_say(agents: Agents, worker: Supervisor) -> None:
    """Neither of the format nor of the names."""
    agents("job", "wait", agents.enqueue("noop"), agents.enqueue("raise"))
    ended = subprocess.run(
        ["promtool", "check", "metrics"],
        input=agents("metrics").out,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_names_say_what_they_count(agents: Agents) -> None:
    """By the rules of Prometheus: counters end in _total and nothing else does; all that is measured is in base units."""
    agents.enqueue("noop")
    for metric in agents.ask("metrics")["metrics"]:
        name = metric["name"]
        assert name.startswith("agentsd_")
        assert name.endswith("_total") == (metric["type"] == prometheus.COUNTER), name
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|percent)(_|$)", name), name
        assert metric["type"] != prometheus.HISTOGRAM or name.endswith("_seconds"), name
