"""Draw the diagrams of the documentation into ``docs/assets/``; the state machine comes from the table of moves.

A test fails when one is older than the code; then:

    python docs/generate_diagrams.py docs/assets
"""

from __future__ import annotations

import sys
from pathlib import Path

from agentsd.model import VALID_TRANSITIONS, AsyncJobStatus

sys.path.insert(0, str(Path(__file__).parent))
from svg import Drawing, sequence

PLACES = {
    "queued": (120, 60),
    "running": (330, 60),
    "succeeded": (560, 20),
    "failed": (560, 90),
    "cancelled": (330, 160),
}
"""Where each state stands."""
MOVES = {
    ("queued", "running"): "claim",
    ("queued", "cancelled"): "cancel",
    ("running", "cancelled"): "cancel",
}
"""What brings a job from one state to the next, where it has a name of its own."""


def states() -> str:
    """The states of a job and every move between them."""
    drawing = Drawing(660, 200, "States of a job")
    drawing.text(28, 60, "enqueue")
    drawing.arrow((56, 60), (70, 60))
    for state in AsyncJobStatus:
        x, y = PLACES[state]
        drawing.box(x - 50, y - 15, 100, 30, state)
        for after in sorted(VALID_TRANSITIONS[state]):
            move(drawing, (x, y), PLACES[after], MOVES.get((state, after), ""))
    return str(drawing)


def move(drawing: Drawing, start: tuple[int, int], end: tuple[int, int], words: str) -> None:
    """An arrow from the box at *start* to the box at *end*."""
    (x, y), (to_x, to_y) = start, end
    if x == to_x:
        drawing.arrow((x, y + 15), (to_x, to_y - 15))
        drawing.text(x + 32, (y + to_y) / 2, words)
    elif to_y > y + 50:
        drawing.arrow((x, y + 15), (x, to_y), (to_x - 50, to_y))
        drawing.text(x + 32, (y + to_y) / 2, words)
    else:
        drawing.arrow((x + 50, y), (to_x - 50, to_y))
        drawing.text((x + to_x) / 2, (y + to_y) / 2 - 10, words)


def rooms() -> str:
    """The processes and the file between them."""
    drawing = Drawing(760, 300, "The processes of agentsd, and what they tell each other")
    drawing.box(10, 20, 150, 130, "you", kind="room")
    drawing.box(25, 45, 120, 36, "agents …")
    drawing.box(25, 98, 120, 36, "Python API")
    drawing.box(25, 220, 120, 50, "agents.db", "(SQLite)")
    drawing.box(240, 20, 200, 270, "agents worker start", kind="room")
    drawing.box(270, 55, 140, 50, "supervisor", "decides")
    drawing.box(270, 215, 140, 50, "spawner", "forks, ends trees")
    drawing.box(520, 20, 230, 270, "the tree of one job", kind="room")
    drawing.box(555, 55, 160, 40, "job process")
    drawing.box(555, 135, 160, 40, "tools")
    drawing.box(555, 215, 160, 50, "whatever they start,", "daemons too")
    drawing.arrow((60, 134), (60, 220))
    drawing.text(95, 190, "rows")
    drawing.arrow((145, 70), (270, 70), soft=True)
    drawing.text(205, 60, "look now")
    drawing.arrow((145, 235), (205, 235), (205, 92), (270, 92), both=True)
    drawing.text(175, 195, "claims,")
    drawing.text(175, 211, "ends")
    drawing.arrow((340, 105), (340, 215), both=True)
    drawing.text(352, 152, "what it wants;", middle=False)
    drawing.text(352, 168, "ready, ended", middle=False)
    drawing.arrow((410, 240), (480, 240), (480, 82), (555, 82))
    drawing.text(498, 160, "fork", middle=True)
    drawing.arrow((410, 66), (555, 66), both=True)
    drawing.text(482, 40, "order,")
    drawing.text(482, 56, "result")
    drawing.arrow((635, 95), (635, 135))
    drawing.arrow((635, 175), (635, 215))
    return str(drawing)


def execution() -> str:
    """From the enqueue to the terminal row."""
    c, d, s, p, j = range(5)
    return sequence(
        "What happens from the enqueue to the end of a job",
        ("command line", "agents.db", "supervisor", "spawner", "job process"),
        (
            (p, j, "forks some ahead"), (p, s, "ready: pid, start time"),
            (c, d, "queued + event (durable)"), (c, s, "~look now"), (s, d, "claim + pid, start time"),
            (s, p, "whose it is"), (s, j, "order"), (j, j, "handler, tools"), (j, s, "progress, result"),
            (j, p, "exits"), (p, p, "kills what is left"), (p, s, "status, CPU, memory"),
            (s, d, "end + event (durable)"),
        ),
    )  # fmt: skip


def ending() -> str:
    """When a job is over."""
    s, p, j = range(3)
    return sequence(
        "When a job is over",
        ("supervisor", "spawner", "the job's tree"),
        (
            (s, p, "end it"), (p, j, "TERM, CONT"), (j, j, "async.cancel_grace"), (p, j, "KILL"),
            (p, j, "looks for what is left: KILL"), (p, p, "until none is left"), (p, s, "nothing is left"),
            (s, s, "only now: the row"),
        ),
        column=210,
    )  # fmt: skip


def diagrams() -> dict[str, str]:
    """Every diagram by its file name."""
    return {
        "states.svg": states(),
        "processes.svg": rooms(),
        "execution.svg": execution(),
        "ending.svg": ending(),
    }


if __name__ == "__main__":
    for name, text in diagrams().items():
        (Path(sys.argv[1]) / name).write_text(text)
