"""``agents demo``."""

from __future__ import annotations

import time

from agentsd.cli.framework import current_output, define
from agentsd.cli.output import paint, write
from agentsd.errors import ExitCode
from agentsd.model import JSON


@define("demo", examples="agents demo")
def command() -> ExitCode:
    """See agentsd at work in a few seconds, on a project that it makes for that.

    Plans run side by side, one is cancelled although it fights, one is applied. Nothing is left behind on
    disk or in the process table, however the demo ends.
    """
    from agentsd.cli.demo.scene import scene  # noqa: PLC0415 - the whole product
    from agentsd.cli.demo.story import Story  # noqa: PLC0415
    from agentsd.store.paths import state_dir  # noqa: PLC0415
    from agentsd.supervisor.client import connect  # noqa: PLC0415

    output = current_output()
    begin = time.monotonic()
    with scene() as (place, left):
        if output.is_table:
            write(f"agents demo, in {place.root} (removed at the end)\n")
        state = state_dir(place.environ)
        with connect(state, place.settings) as client:
            told: dict[str, JSON] = Story(place, client, quiet=not output.is_table).play()
    seconds = time.monotonic() - begin
    if left:
        raise RuntimeError(f"The demo left behind: {', '.join(left)}")
    what_is_left = paint("Nothing is left: no process, no file.", "green")
    data = {**told, "seconds": round(seconds, 3), "left_behind": left}
    return output.result(data, lambda: ["", f"{what_is_left} {seconds:.1f} s."])
