"""A formal model of how jobs are claimed, run, reaped and cancelled, and a checker that visits all of its states."""
