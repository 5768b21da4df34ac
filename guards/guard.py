"""What a guard is: a place in the product, a text that takes it away, and the checks that have to notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LIFECYCLE = "tests/supervisor/test_lifecycle.py"
LIVENESS = "tests/supervisor/test_liveness.py"
PARTS = "tests/supervisor/test_parts.py"
DECISIONS = "tests/supervisor/test_decisions.py"
KERNEL = "tests/supervisor/test_kernel_guards.py"
RACES = "tests/supervisor/test_races.py"
STANDBY = "tests/supervisor/test_standby.py"
CONTAINMENT = "tests/supervisor/test_containment.py"
CHILD = "tests/workers/test_child.py"
PLUMBING = "tests/workers/test_plumbing.py"
JOBS = "tests/store/test_jobs.py"
SCHEMA = "tests/store/test_schema.py"
DATABASE = "tests/store/test_database.py"
MACHINE = "tests/machine/test_state_machine.py::test_random_histories"
MATRIX = "matrix: "
"""Before a text, a check: the cells of the crash matrix that have it in their name."""


class MovedGuardError(Exception):
    """The text of a guard is not where the catalogue says, or is there more than once."""


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard. ``file`` is relative to the tree; ``old`` stands in it exactly once."""

    name: str
    without: str
    """What happens without it, in half a sentence."""
    file: str
    old: str
    new: str
    checks: tuple[str, ...]
    """Tests, as pytest names them, or cells of the matrix behind :data:`MATRIX`; at least one has to turn red."""

    def remove(self, tree: Path) -> str:
        """Take the guard away in *tree*; returns the text of the file as it was. Raises MovedGuardError."""
        path = tree / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise MovedGuardError(
                f"{self.name}: {self.file} has {text.count(self.old)} places like {self.old!r}, expected exactly one."
            )
        path.write_text(text.replace(self.old, self.new))
        return text

    def put_back(self, tree: Path, text: str) -> None:
        """Undo :meth:`remove`."""
        (tree / self.file).write_text(text)
