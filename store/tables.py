"""The tables as peewee models, for every query whose shape depends on what the caller asks.

The hot path (claim, start, finish, beat) is raw SQL in the modules beside this one: the query builder
takes 335 µs where a prepared statement takes 24. A test holds these models against the real schema.
"""

from __future__ import annotations

from typing import Any

from peewee import AutoField, FloatField, IntegerField, Model, TextField


class Plans(Model):
    """Frozen plans, the project each belongs to, and their state."""

    plan_id = TextField(primary_key=True)
    name = TextField()
    description = TextField(null=True)
    project = TextField()
    state = TextField()
    frozen_json = TextField()
    source_path = TextField()
    source_sha256 = TextField()
    branch = TextField(null=True)
    head = TextField(null=True)
    sandbox = TextField()
    created_at = TextField()
    updated_at = TextField()

    class Meta:
        table_name = "plans"


class AsyncJobs(Model):
    """One row for one attempt at one phase of one plan. ``seq`` is the order of arrival."""

    seq = AutoField()
    job_id = TextField(unique=True)
    plan_id = TextField()
    phase = TextField()
    status = TextField()
    payload_json = TextField()
    schema_version = IntegerField()
    created_at = TextField()
    claimed_at = TextField(null=True)
    started_at = TextField(null=True)
    finished_at = TextField(null=True)
    worker_id = TextField(null=True)
    last_heartbeat = TextField(null=True)
    reason = TextField(null=True)
    attempt = IntegerField(default=1)
    retry_of = TextField(null=True)
    priority = IntegerField(default=0)
    timeout = FloatField(null=True)
    pid = IntegerField(null=True)
    pid_start = IntegerField(null=True)
    cancel_requested_at = TextField(null=True)
    cancel_requested_by = TextField(null=True)
    cancel_reason = TextField(null=True)
    cancel_signal = TextField(null=True)
    result = TextField(null=True)
    error = TextField(null=True)
    exit_code = IntegerField(null=True)
    signal = TextField(null=True)
    user_s = FloatField(null=True)
    system_s = FloatField(null=True)
    max_rss_bytes = IntegerField(null=True)
    progress = TextField(null=True)
    held_at = TextField(null=True)
    held_by = TextField(null=True)
    waits_for = TextField(null=True)
    key = TextField(null=True)

    class Meta:
        table_name = "async_jobs"


class Workers(Model):
    """Supervisors, from start to end, with their heartbeat."""

    worker_id = TextField(primary_key=True)
    host = TextField()
    boot_id = TextField()
    pid_namespace = TextField()
    pid = IntegerField()
    pid_start = IntegerField()
    uid = IntegerField()
    state = TextField()
    max_workers = IntegerField()
    ttl = FloatField()
    beat = IntegerField(default=0)
    started_at = TextField()
    last_heartbeat = TextField()
    jobs_processed = IntegerField(default=0)
    running = IntegerField(default=0)
    socket_path = TextField(null=True)
    spawner_pid = IntegerField(null=True)
    version = TextField()
    ended_at = TextField(null=True)
    end_reason = TextField(null=True)

    class Meta:
        table_name = "workers"


class JobEvents(Model):
    """What happened to each job, when, why and by whom."""

    event_id = AutoField()
    job_id = TextField()
    at = TextField()
    from_status = TextField(null=True)
    to_status = TextField(null=True)
    reason = TextField(null=True)
    actor = TextField()
    pid = IntegerField()
    worker_id = TextField(null=True)
    detail = TextField(default="{}")

    class Meta:
        table_name = "job_events"


def rows(query: Any, database: Any) -> list[Any]:
    """All rows of a peewee *query* as tuples, fetched at once (an open cursor would pin the WAL)."""
    return list(query.tuples().execute(database))
