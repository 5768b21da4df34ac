"""What the store guards: fences, order, durability, and what the database itself refuses."""

from __future__ import annotations

from guards.guard import DATABASE, JOBS, MACHINE, MATRIX, RACES, SCHEMA, Guard

STORE = (
    Guard(
        "fence of an end", "a late end overwrites another one",
        "store/claims.py",
        "WHERE job_id = ? AND status = 'running' AND worker_id = ? RETURNING",
        "WHERE job_id = ? AND (1 OR worker_id = ?) RETURNING",
        (f"{JOBS}::test_a_finish_is_fenced", f"{MATRIX}finish.heard = stop long", MACHINE),
    ),
    Guard(
        "owner in the fence of an end", "anybody ends a running job",
        "store/claims.py",
        "AND status = 'running' AND worker_id = ? RETURNING",
        "AND status = 'running' AND (1 OR worker_id = ?) RETURNING",
        (f"{JOBS}::test_a_finish_is_fenced",),
    ),
    Guard(
        "fence of a start", "a process is let go for a job that others have ended",
        "store/claims.py",
        '''_START = """UPDATE async_jobs SET pid = ?, pid_start = ?, started_at = ?
WHERE job_id = ? AND status = 'running' AND worker_id = ?"""''',
        '''_START = """UPDATE async_jobs SET pid = ?, pid_start = ?, started_at = ?
WHERE job_id = ? AND (1 OR worker_id = ?)"""''',
        (f"{JOBS}::test_starting_and_progress_are_fenced",),
    ),
    Guard(
        "claim of queued jobs only", "a running job is claimed again",
        "store/claims.py",
        "INDEXED BY jobs_queued WHERE {MAY_START} AND schema_version <= :version\nORDER BY priority DESC, seq LIMIT :limit) AND +status = 'queued'",
        "WHERE status IN ('queued', 'running') AND schema_version <= :version\nORDER BY priority DESC, seq LIMIT :limit)",
        (f"{JOBS}::test_writers_at_once_lose_and_double_nothing", MACHINE),
    ),
    Guard(
        "ready order", "young jobs pass old and urgent ones",
        "store/claims.py",
        "ORDER BY priority DESC, seq LIMIT",
        "ORDER BY seq DESC LIMIT",
        (f"{JOBS}::test_the_claim_takes_high_priority_first_then_the_oldest", MACHINE),
    ),
    Guard(
        "payload version in the claim", "a worker runs what it cannot read",
        "store/claims.py",
        "WHERE {MAY_START} AND schema_version <= :version",
        "WHERE {MAY_START} AND :version",
        (f"{JOBS}::test_a_newer_payload_is_not_claimed", MACHINE),
    ),
    Guard(
        "event of an end", "an end leaves no trace",
        "store/claims.py",
        "        AsyncJobStatus.RUNNING,\n        ending.status,\n        ending.reason,\n",
        "        ending.status,\n        ending.status,\n        ending.reason,\n",
        (f"{JOBS}::test_every_move_writes_who_when_and_why", MACHINE),
    ),
    Guard(
        "plan's state in the transaction of an end", "a plan says executing for ever",
        "store/claims.py",
        "plans.end_phase(tx, job.plan_id, job.phase, ending.status)",
        "pass",
        (f"{JOBS}::test_a_plan_moves_in_the_transactions_of_its_jobs", MACHINE),
    ),
    Guard(
        "cancel is final", "what somebody has cancelled is tried again",
        "store/claims.py",
        "if ending.successor is None or found[0][0] is not None:",
        "if ending.successor is None:",
        (f"{RACES}::test_what_was_asked_to_be_cancelled_is_not_tried_again", MACHINE),
    ),
    Guard(
        "trigger on moves", "sqlite3 on the command line wakes the dead",
        "store/schema.py",
        "WHEN NOT ({_LEGAL_MOVE})",
        "WHEN 0 AND NOT ({_LEGAL_MOVE})",
        (f"{SCHEMA}::test_the_database_has_exactly_the_moves_of_the_table",),
    ),
    Guard(
        "trigger on births", "a job is born ended",
        "store/schema.py",
        "WHEN NEW.status <> 'queued'",
        "WHEN 0",
        (f"{SCHEMA}::test_a_job_is_born_queued_only",),
    ),
    Guard(
        "seal on what a job is", "a job changes its payload, plan or owner",
        "store/schema.py",
        """ON async_jobs WHEN
        {" OR ".join""",
        """ON async_jobs WHEN 0 AND
        {" OR ".join""",
        (f"{SCHEMA}::test_what_a_job_is_never_changes",),
    ),
    Guard(
        "trigger on deletes", "a waiting job is deleted",
        "store/schema.py",
        "WHEN OLD.status NOT IN {TERMINAL}",
        "WHEN 0 AND OLD.status NOT IN {TERMINAL}",
        (f"{SCHEMA}::test_only_what_has_ended_can_be_deleted",),
    ),
    Guard(
        "one active job per plan", "a plan is executed twice at once",
        "store/schema.py",
        "CREATE UNIQUE INDEX one_active_job_per_plan",
        "CREATE INDEX one_active_job_per_plan",
        (f"{SCHEMA}::test_a_plan_cannot_have_two_active_jobs",),
    ),
    Guard(
        "writer mutex", "openers and writers collide",
        "store/mutex.py",
        "fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        (f"{DATABASE}::test_try_write_does_not_wait", f"{DATABASE}::test_many_openers_at_once_all_succeed"),
    ),
    Guard(
        "durable commits", "what was acknowledged is lost with the power",
        "store/database.py",
        '"synchronous": 2,',
        '"synchronous": 1,',
        (f"{DATABASE}::test_every_connection_has_the_pragmas",),
    ),
    Guard(
        "latest success is kept", "a prune takes the result that apply needs",
        "store/retention.py",
        "p.state NOT IN ('applied', 'discarded')",
        "p.state IN ('nothing')",
        (f"{JOBS}::test_pruning_takes_what_ended_long_ago_with_its_logs", JOBS),
    ),
    Guard(
        "no ghosts", "what goes to a deleted file is acknowledged",
        "store/database.py",
        "        self.refuse_ghost()\n",
        "",
        ("tests/supervisor/test_store_faults.py::test_a_client_acknowledges_nothing_that_nobody_finds",),
    ),
)  # fmt: skip
