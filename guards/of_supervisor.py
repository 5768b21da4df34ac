"""What a supervisor guards in what it owns: handshake, orders, its spawner, its last words."""

from __future__ import annotations

from guards.guard import DECISIONS, LIFECYCLE, MACHINE, MATRIX, PARTS, RACES, Guard

SUPERVISOR = (
    Guard(
        "handshake", "a handler begins and its process is not known",
        "supervisor/ledger.py",
        "                self._store_process(tx, running)\n",
        "",
        (f"{PARTS}::test_a_process_is_stored_with_the_claim", MACHINE),
    ),
    Guard(
        "handshake of a job that had to wait", "its handler begins before its process is known",
        "supervisor/fleet.py",
        "                self.ledger.starts.append(running)\n",
        "                self.ledger.starts.append(running)\n                self.lead(running)\n",
        (f"{PARTS}::test_a_job_that_waited_begins_when_its_process_is_stored",),
    ),
    Guard(
        "orders after the spawner knows", "a job that ends at once is taken for a process that stood by",
        "supervisor/worker.py",
        "        if self.guard.flush():\n            self.fleet.give_orders()\n",
        "        self.fleet.give_orders()\n        self.guard.flush()\n",
        (f"{RACES}::test_a_job_begins_when_its_spawner_has_been_told",),
    ),
    Guard(
        "cancels in the group commit", "a cancel is noted and never obeyed",
        "supervisor/fleet.py",
        "if request is not None and request != running.cancel:",
        "if False:",
        (f"{LIFECYCLE}::test_cancelling_a_tree_leaves_nothing", f"{PARTS}::test_what_others_have_ended_is_disowned"),
    ),
    Guard(
        "disowning", "a process goes on whose row others have ended",
        "supervisor/fleet.py",
        "            if job_id not in requests:\n                self.disown(running)\n                continue\n",
        "            if job_id not in requests:\n                continue\n",
        (f"{PARTS}::test_what_others_have_ended_is_disowned",),
    ),
    Guard(
        "live row before a claim", "a supervisor that was declared lost claims on",
        "supervisor/ledger.py",
        "written.row_is_ours = workers.is_live(tx, self.worker_id)",
        "written.row_is_ours = True",
        (f"{RACES}::test_who_was_declared_lost_claims_nothing_more", MACHINE),
    ),
    Guard(
        "giving up", "a supervisor that was declared lost goes on",
        "supervisor/worker.py",
        "if not written.row_is_ours:",
        "if False:",
        (f"{RACES}::test_who_was_declared_lost_gives_up",),
    ),
    Guard(
        "last words", "a closed row hides a running job for ever",
        "supervisor/lifetime.py",
        "if self.ledger.last_words(tx):",
        "if True:",
        (f"{RACES}::test_who_still_owns_a_job_leaves_its_row_open", MACHINE),
    ),
    Guard(
        "mending", "what a dead spawner leaves goes on",
        "supervisor/guard.py",
        "left = self._end_leftovers() if self.spawner.has_ended()",
        "left = set[int]() if self.spawner.has_ended()",
        (f"{LIFECYCLE}::test_a_killed_spawner_is_replaced", MACHINE,
         f"{MATRIX}sweep.begin = kill (daemon)"),
    ),
    Guard(
        "innocent children", "a supervisor kills children that it did not start",
        "supervisor/guard.py",
        "*self._innocent}\n        ]\n        adopted = [pid for pid in others if self._is_remnant(pid)]\n",
        "}\n        ]\n        adopted = others\n",
        (f"{LIFECYCLE}::test_children_that_were_there_before_are_left_alone",),
    ),
    Guard(
        "group of the spawner", "a stopped spawner sleeps on when its supervisor is killed",
        "supervisor/spawner.py",
        "process_group=0,",
        "process_group=None,",
        (f"{LIFECYCLE}::test_a_stopped_spawner_wakes_up_when_its_supervisor_is_killed",),
    ),
    Guard(
        "exit status beside the frame", "a job that crashes after its result has succeeded",
        "supervisor/verdict.py",
        'if kind is Kind.RESULT and not frame["token"] and exited_well:',
        'if kind is Kind.RESULT and not frame["token"]:',
        (f"{DECISIONS}::test_the_first_cause_wins_and_a_result_that_came_is_kept",),
    ),
    Guard(
        "attempts", "a poison job is tried for ever",
        "supervisor/verdict.py",
        "if job.attempt < max_attempts else None",
        "if max_attempts > 1 else None",
        (f"{DECISIONS}::test_attempts_run_out", MACHINE),
    ),
)  # fmt: skip
