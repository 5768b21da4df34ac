"""``python -m guards``: remove each guard in turn and see who notices."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from evidence.circumstances import Run
from evidence.pages import put
from guards.catalogue import GUARDS
from guards.guard import MATRIX, Guard
from guards.tree import Outcome, Tree

HEADER = ("| guard | without it | file | noticed by | seconds |", "|---|---|---|---|---|")


def main() -> int:
    """Exit 0: every guard was noticed. 1: one was not, or a check is red with all in place. 2: there is no such guard."""
    wanted, run = _arguments(), Run()
    chosen = [guard for guard in GUARDS if not wanted.only or any(text in guard.name for text in wanted.only)]
    if not chosen:
        print(f"No guard has any of {wanted.only} in its name.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="guards-") as directory:
        tree = Tree(Path(directory))
        _see_that_all_are_there(tree, chosen)
        if not wanted.skip_whole and not _is_green(tree, chosen):
            return 1
        rows = list(_remove_each(tree, chosen))
    if wanted.page:
        table = "\n".join([*HEADER, *(row(guard, outcomes) for guard, outcomes in rows)])
        put(wanted.page, "table", f"{run.sentence()} {len(rows)} guards.\n\n{table}")
    unnoticed = [guard.name for guard, outcomes in rows if not any(outcome.red for outcome in outcomes)]
    if unnoticed:
        print(f"Nobody notices: {', '.join(unnoticed)}.")
    return 1 if unnoticed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m guards", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="guards with this in their name"
    )
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the table into this page")
    parser.add_argument(
        "--skip-whole", action="store_true", help="do not see first that all checks are green"
    )
    wanted = parser.parse_args()
    if wanted.page and wanted.only:
        parser.error("--page takes the table of all guards: expected no --only")
    return wanted


def _see_that_all_are_there(tree: Tree, chosen: Sequence[Guard]) -> None:
    """A guard that has moved is told before anything is run."""
    for guard in chosen:
        guard.put_back(tree.root, guard.remove(tree.root))


def _is_green(tree: Tree, chosen: Sequence[Guard]) -> bool:
    """A check that is red with every guard in place would prove nothing."""
    red = [
        outcome
        for check in sorted({check for guard in chosen for check in guard.checks})
        if (outcome := tree.run(check)).red
    ]
    for outcome in red:
        print(f"Red although nothing was removed: {outcome.check}\n{outcome.output}")
    return not red


def _remove_each(tree: Tree, chosen: Sequence[Guard]) -> Iterator[tuple[Guard, list[Outcome]]]:
    print(*HEADER, sep="\n", flush=True)
    for guard in chosen:
        before = guard.remove(tree.root)
        outcomes = [tree.run(check) for check in guard.checks]
        guard.put_back(tree.root, before)
        print(row(guard, outcomes), flush=True)
        yield guard, outcomes


def row(guard: Guard, outcomes: Sequence[Outcome]) -> str:
    """One line of the table."""
    noticed = ", ".join(_name(outcome.check) for outcome in outcomes if outcome.red) or "**nobody**"
    missed = ", ".join(_name(outcome.check) for outcome in outcomes if not outcome.red)
    seconds = " + ".join(f"{outcome.seconds:.0f}" for outcome in outcomes)
    not_by = f" (not by {missed})" if missed and noticed != "**nobody**" else ""
    return f"| {guard.name} | {guard.without} | `{guard.file}` | {noticed}{not_by} | {seconds} |"


def _name(check: str) -> str:
    if check.startswith(MATRIX):
        return f"matrix (`{check.removeprefix(MATRIX)}`)"
    return f"`{check.rpartition('::')[2] or check}`".replace("`test_random_histories`", "state machine")


if __name__ == "__main__":
    sys.exit(main())
