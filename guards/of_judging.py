"""What guards the healthy from being taken for dead, and the rows of the dead from being written too early."""

from __future__ import annotations

from guards.guard import DECISIONS, LIFECYCLE, LIVENESS, MACHINE, MATRIX, RACES, Guard

JUDGING = (
    Guard(
        "gap rule", "who wakes first after a suspend reaps the healthy",
        "supervisor/reaper.py",
        "self._seen = {worker_id: seen for worker_id, seen in self._seen.items() if worker_id == all_but}",
        "pass",
        (f"{DECISIONS}::test_a_gap_in_the_own_loop_voids_all_observations", MACHINE),
    ),
    Guard(
        "silence of all", "when nobody can write, supervisors kill each other's jobs",
        "supervisor/duties.py",
        "elif now - self._worker.ledger.beaten_at > patience:",
        "elif False:",
        ("tests/machine/test_steps.py::test_who_cannot_write_does_not_call_others_silent", MACHINE),
    ),
    Guard(
        "lost one in the way", "who was declared lost and is stopped in a transaction keeps everybody from writing",
        "supervisor/duties.py",
        "if each.ended_at is not None:",
        "if False:",
        (f"{LIVENESS}::test_who_was_declared_lost_is_in_nobodys_way",),
    ),
    Guard(
        "own silence", "who cannot write for a TTL while others can goes on, though they call it dead",
        "supervisor/duties.py",
        "if self._others_wrote_at - max(self._others_write_since, self._worker.ledger.beaten_at) >= ttl:",
        "if False:",
        (f"{RACES}::test_who_could_not_write_for_a_ttl_while_others_could_gives_up",),
    ),
    Guard(
        "beat read before each KILL", "who has gone on between judgement and KILL is killed",
        "supervisor/duties.py",
        "return row is not None and row.beat == dead.worker.beat",
        "return True",
        (f"{RACES}::test_who_beats_between_judgement_and_kill_is_not_killed",),
    ),
    Guard(
        "beat counter", "who beats is taken for silent",
        "supervisor/reaper.py",
        "return (row.beat, now) if row.beat != beat else (beat, since)",
        "return (beat, since)",
        (f"{DECISIONS}::test_a_beat_that_moves_is_life_whatever_the_clocks_say", MACHINE),
    ),
    Guard(
        "larger TTL", "a reaper with a short TTL reaps who has a long one",
        "supervisor/reaper.py",
        "patience = max(self.ttl, row.ttl)",
        "patience = self.ttl",
        (f"{DECISIONS}::test_silence_is_death_after_the_larger_ttl_and_one_more_where_it_cannot_be_verified",),
    ),
    Guard(
        "proof before a burial", "a job is called ended while its processes live",
        "supervisor/duties.py",
        "if remnants.is_reachable(dead.worker) else []",
        "if False else []",
        (f"{LIFECYCLE}::test_both_killed_at_once_are_cleaned_up_by_whoever_comes", MACHINE,
         f"{MATRIX}reap.swept = delay (daemon)"),
    ),
    Guard(
        "beat before a burial", "who wakes up is buried alive",
        "supervisor/reaper.py",
        "if not dead.gone and workers.beats(tx, dead.worker.worker_id) != dead.worker.beat:",
        "if False:",
        (f"{RACES}::test_who_beats_between_judgement_and_burial_is_left_alone", MACHINE),
    ),
    Guard(
        "same processes before a burial", "a job is called ended while its new process runs",
        "supervisor/reaper.py",
        "        processes.get(job.job_id, known) != known for job in left",
        "        False for job in left",
        (f"{RACES}::test_who_forks_between_judgement_and_burial_is_left_alone",),
    ),
    Guard(
        "same process for force", "force writes over a process that it has not killed",
        "supervisor/takeover.py",
        ".get(job.job_id, known) != known:",
        ".get(job.job_id, known) is None:",
        (f"{RACES}::test_force_looks_again_when_the_job_has_got_another_process",),
    ),
    Guard(
        "orphans for force", "force leaves a daemon behind",
        "supervisor/takeover.py",
        "        _end_orphans(db, owner)\n",
        "",
        (f"{RACES}::test_force_ends_an_orphan_that_no_spawner_will_end",),
    ),
    Guard(
        "identity of the database file", "a supervisor works on a ghost",
        "supervisor/duties.py",
        "if not self._worker.db.is_still_there():",
        "if False:",
        (f"{LIFECYCLE}::test_a_store_that_is_gone_ends_the_worker",),
    ),
)  # fmt: skip
