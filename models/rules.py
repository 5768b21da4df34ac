"""The guards of the product, each with a switch: without one of them, the checker has to find a counterexample."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Rules:
    """Which guards hold. The product is ``Rules()``."""

    claim_only_queued: bool = True
    """A claim takes only what is queued (``WHERE status = 'queued'``)."""
    ready_order: bool = True
    """A claim takes what comes first in the ready order."""
    claim_needs_row: bool = True
    """Who was declared lost claims nothing more."""
    handshake: bool = True
    """The handler begins only after the identity of its process is stored."""
    fence: bool = True
    """An end is written only over a running row that is one's own."""
    sweep: bool = True
    """What a job left behind is ended before its end is told."""
    end_of_link: bool = True
    """A spawner ends every tree when its supervisor is gone."""
    death_signal: bool = True
    """Job processes die with their spawner (PDEATHSIG)."""
    mending: bool = True
    """A supervisor ends what its dead spawner left, before it calls the jobs lost."""
    gap_rule: bool = True
    """After a gap in its own loop a reaper forgets what it has observed."""
    proof: bool = True
    """A reaper writes the end of a job only when none of its processes is left."""
    marker: bool = True
    """A reaper finds processes by the marker they inherit, not only by stored identities."""
    still_silent: bool = True
    """A burial is called off when the supervisor has beaten since it was judged."""
    same_processes: bool = True
    """Who ends a job from outside looks again when its row names another process than the one that was ended."""
    in_the_way: bool = True
    """Who is to be buried, or was, and is stopped in a transaction is killed."""
    last_words: bool = True
    """Who exits while it owns running jobs leaves its row open, so that others judge it."""
    cancel_is_obeyed: bool = True
    """A supervisor reads the cancels of its own jobs."""
    force_sees_orphans: bool = True
    """Force writes no end while a process that may be the job's, orphaned by its leader's end, is left."""
    cancel_is_final: bool = True
    """What was asked to be cancelled has no automatic successor, however it ended."""

    def without(self, name: str) -> Rules:
        """These rules with the guard *name* taken away. Raises KeyError."""
        if name not in names():
            raise KeyError(f"There is no guard {name!r} (there are: {', '.join(names())}).")
        return Rules(**{field: getattr(self, field) and field != name for field in names()})


def names() -> list[str]:
    """The guards that can be taken away."""
    return [field.name for field in fields(Rules)]
