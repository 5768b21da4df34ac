"""The title of a process in ``ps``: setproctitle's extension module, without the package around it.

The package imports logging, and with it fork handlers that touch some 150 pages in every forked child: a
fork took 1.6 ms with it and 0.9 ms without (``benchmarks/`` has the comparison). The extension is all that
is needed.
"""

from __future__ import annotations

from importlib.machinery import ExtensionFileLoader, PathFinder
from importlib.util import module_from_spec, spec_from_loader

from agentsd.workers.process import children

TYPE_CHECKING = False  # as in typing, which a fork would have to copy
if TYPE_CHECKING:
    from typing import Any

STANDING_BY = ", standing by: "
"""What parts a spawner's title from the pids of the processes that stand by."""


def _load_extension() -> Any:
    package = PathFinder.find_spec("setproctitle")
    spec = PathFinder.find_spec("_setproctitle", package and package.submodule_search_locations)
    if spec is None or spec.origin is None:
        raise ImportError("setproctitle is not installed, or has no extension module")
    found = spec_from_loader("_setproctitle", ExtensionFileLoader("_setproctitle", spec.origin))
    module = module_from_spec(found)  # pyright: ignore[reportArgumentType]
    found.loader.exec_module(module)  # pyright: ignore[reportOptionalMemberAccess]
    return module


_extension = _load_extension()


def set_title(text: str) -> None:
    """Show *text* as this process's command line."""
    _extension.setproctitle(text)


def standing_by(spawner: int) -> set[int]:
    """The processes that stand by in a spawner, as its title says."""
    try:
        with open(f"/proc/{spawner}/cmdline", "rb") as file:
            title = file.read().rstrip(b"\0 ").decode(errors="replace")
    except OSError:  # it is gone, or this is not Linux
        return set()
    named = {int(pid) for pid in title.partition(STANDING_BY)[2].split() if pid.isdecimal()}
    return named.intersection(children(spawner))
