"""``job_totals``: how the jobs of a store ended and how long they took, ever; pruning does not lower it.

The database itself counts, in the statement that ends a job, so that no writer can forget it. That costs 6 µs a job,
and the numbers are read as fast beside a million rows as beside ten.
"""

from __future__ import annotations

BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
"""Upper bounds of the histograms, in seconds. A job counts below those that were known when it ended."""
LABELS = tuple(f"{bound:g}" for bound in BUCKETS)
"""The bounds as ``job_totals`` and Prometheus name them."""
BEYOND, NEVER = "+Inf", ""
"""Instead of a bound: longer than all of them; the job never began."""

TABLE = """CREATE TABLE job_totals (
        phase TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT NOT NULL,
        wait_le TEXT NOT NULL,
        run_le TEXT NOT NULL,
        number INTEGER NOT NULL,
        wait_s REAL NOT NULL,
        run_s REAL NOT NULL,
        PRIMARY KEY (phase, status, reason, wait_le, run_le)
    ) STRICT, WITHOUT ROWID"""


def _between(begin: str, until: str) -> str:
    """Seconds; NULL if there is one time only. A clock that was set back makes no negative ones."""
    return f"max(0.0, (julianday({until}) - julianday({begin})) * 86400.0)"


def _least_bound(seconds: str) -> str:
    bounds = " ".join(
        f"WHEN {seconds} <= {bound} THEN '{label}'" for bound, label in zip(BUCKETS, LABELS, strict=True)
    )
    return f"CASE WHEN {seconds} IS NULL THEN '{NEVER}' {bounds} ELSE '{BEYOND}' END"


def _add(jobs: str, row: str = "") -> str:
    """Add each of *jobs* (the rest of a FROM clause, whose columns begin with *row*) to its group."""
    return f"""INSERT INTO job_totals (phase, status, reason, wait_le, run_le, number, wait_s, run_s)
    SELECT phase, status, reason, {_least_bound("wait")}, {_least_bound("run")}, 1,
        coalesce(wait, 0.0), coalesce(run, 0.0)
    FROM (SELECT {row}phase AS phase, {row}status AS status, {row}reason AS reason,
        {_between(f"{row}created_at", f"{row}started_at")} AS wait,
        {_between(f"{row}started_at", f"{row}finished_at")} AS run {jobs}) WHERE true
    ON CONFLICT DO UPDATE SET number = number + 1, wait_s = wait_s + excluded.wait_s, run_s = run_s + excluded.run_s"""


COUNT_WHAT_IS_THERE = _add("FROM async_jobs WHERE finished_at IS NOT NULL")
"""For a store from before there were totals."""

# "OF finished_at": no other statement on jobs pays for it.
TRIGGER = f"""CREATE TRIGGER jobs_count_ends AFTER UPDATE OF finished_at ON async_jobs
    WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL BEGIN {_add("", "NEW.")}; END"""
