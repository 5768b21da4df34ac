"""What is checked: small worlds, each with a few faults, that together leave no guard untested."""

from __future__ import annotations

from collections.abc import Mapping

from models.world import Budget, World

CONFIGURATIONS: Mapping[str, World] = {
    # Nobody is there to mend: supervisor and spawner are killed at any two instants.
    "alone": World.begin(supervisors=1, jobs=1, budget=Budget(kills=2, pauses=0, cancels=0, freezes=0)),
    # Two kills: supervisor and spawner in one instant, a spawner and its successor.
    "killing": World.begin(supervisors=2, jobs=1, budget=Budget(kills=2, pauses=0, cancels=1, freezes=0)),
    # Two jobs that are claimed by either.
    "sharing": World.begin(supervisors=2, jobs=2, budget=Budget(kills=1, pauses=0, cancels=0, freezes=0)),
    # Two that may judge the same one.
    "three": World.begin(supervisors=3, jobs=1, budget=Budget(kills=1, pauses=0, cancels=0, freezes=0)),
    # The whole host stands still, and one supervisor besides.
    "freezing": World.begin(supervisors=2, jobs=1, budget=Budget(kills=0, pauses=1, cancels=0, freezes=1)),
    # Handlers that only a cancel ends.
    "endless": World.begin(
        supervisors=2, jobs=1, budget=Budget(kills=1, pauses=0, cancels=1, freezes=0, endless=True)
    ),
    # Kills, pauses and cancels meet each other around one job.
    "meeting": World.begin(supervisors=2, jobs=1, budget=Budget(kills=1, pauses=1, cancels=1, freezes=0)),
}
"""For every change; the largest comes last."""

LARGER: Mapping[str, World] = {
    "more kills": World.begin(supervisors=2, jobs=1, budget=Budget(kills=2, pauses=1, cancels=1, freezes=1)),
    "more pauses": World.begin(supervisors=2, jobs=1, budget=Budget(kills=1, pauses=2, cancels=1, freezes=1)),
    "two jobs": World.begin(supervisors=2, jobs=2, budget=Budget(kills=1, pauses=0, cancels=1, freezes=0)),
}
"""For a quiet hour."""

WITNESSES: Mapping[str, str] = {
    "claim_only_queued": "killing",
    "ready_order": "sharing",
    "claim_needs_row": "freezing",
    "handshake": "alone",
    "fence": "freezing",
    "sweep": "alone",
    "end_of_link": "alone",
    "death_signal": "alone",
    "mending": "alone",
    "gap_rule": "freezing",
    "proof": "killing",
    "marker": "killing",
    "still_silent": "freezing",
    "same_processes": "freezing",
    "in_the_way": "freezing",
    "last_words": "killing",
    "cancel_is_obeyed": "endless",
    "force_sees_orphans": "meeting",
    "cancel_is_final": "killing",
}
"""For each guard a configuration that has a counterexample without it."""
